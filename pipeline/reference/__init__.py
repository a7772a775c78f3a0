"""EDGE: reference tables from CSV and from a store; ``pipeline.references`` is what they make."""
