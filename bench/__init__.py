"""Benchmarks: what the hub does in a second, and what each of its steps costs."""
