"""Change the tags of a file in place; interrupted changes are finished by the next command."""
