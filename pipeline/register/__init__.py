"""PURE: files of card registrations (document 002), another kind of upload through the same engine.

A file is one record: its fields come from its name and its head, its rows are the orders of that
record. So ``pipeline.validate.validate`` runs the rules of ``rules/register`` on it as it runs any
other.
"""
