"""Benchmarks: figures for people, never a pass or a fail."""
