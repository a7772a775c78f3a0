"""Benchmarks of the pipeline beside its peers. Nothing imports this package but itself."""
