"""Analyze many files: worker processes and a cache."""
