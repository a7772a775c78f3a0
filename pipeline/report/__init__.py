"""Answers made readable: the insurer's receipt, error CSV, JSON, and screens. Pure: no files."""
