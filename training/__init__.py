"""Rebuilds and evaluates the model that `genremodel` bundles; run from a checkout."""
