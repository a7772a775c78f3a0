"""The columns of one checked table, as Arrow, and the ``references.Table`` made of them.

Key columns are strings, ``from``/``until`` date32 (null: unbounded), value columns int64 (null:
blank). The version names the content, whatever the order of its rows.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Int64
from pipeline.references import ALWAYS, NEVER, Table, table_of
from rules.ops import UNKNOWN
from schemas.reference import FROM, UNTIL, ReferenceTable


def schema_of(declared: ReferenceTable) -> pa.Schema:
    """The Arrow schema of a table."""
    keys = [pa.field(column.name, pa.string(), nullable=False) for column in declared.keys]
    period = [pa.field(FROM, pa.date32()), pa.field(UNTIL, pa.date32())]
    return pa.schema([*keys, *period, *(pa.field(c.name, pa.int64()) for c in declared.values)])


def version_of(rows: pa.Table) -> str:
    """16 hex digits that name the content."""
    ordered = rows.sort_by([(name, "ascending") for name in rows.column_names])
    digest = hashlib.sha256()
    for column in ordered.columns:
        for text in pc.fill_null(column.cast(pa.string()), "").to_pylist():
            digest.update(f"{text}\n".encode())
    return digest.hexdigest()[:16]


def table_from(declared: ReferenceTable, rows: pa.Table, version: str) -> Table:
    """The table to look up in."""
    return table_of(
        [rows.column(column.name).combine_chunks() for column in declared.keys],
        _days(rows.column(FROM), ALWAYS),
        _days(rows.column(UNTIL), NEVER),
        {c.name: _numbers(rows.column(c.name), UNKNOWN) for c in declared.values},
        version,
    )


def _days(column: pa.ChunkedArray, otherwise: int) -> Int64:
    return _numbers(column.cast(pa.int32()).cast(pa.int64()), otherwise)


def _numbers(column: pa.ChunkedArray, otherwise: int) -> Int64:
    filled = pc.fill_null(column, pa.scalar(otherwise, pa.int64()))
    return np.asarray(filled.to_numpy(), np.int64)
