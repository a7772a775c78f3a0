"""PURE, given a State: validated uploads → the last write per treatment id (docs/MERGE.md)."""
