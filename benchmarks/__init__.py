"""Benchmarks: peer comparison, start-up times and the asv suite."""
