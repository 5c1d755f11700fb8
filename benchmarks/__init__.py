"""Benchmarks of speed, memory and custom genres."""
