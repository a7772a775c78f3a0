"""EDGE: from a visit, or a row of a table, back to the bytes it came from.

``follow`` reads a store without holding it and puts a visit's versions in order; ``rows`` are the
tables, ``archived`` the bytes, ``attempts`` what was sent and not taken.
"""
