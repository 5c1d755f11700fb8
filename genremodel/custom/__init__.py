"""Train, evaluate and store models of a user's own genres."""
