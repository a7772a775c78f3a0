"""Engines: thin callers of ``core.process_many``. None of them has an opinion on a record."""
