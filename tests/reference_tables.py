"""Reference tables from plain rows, by way of the CSV that operators load."""

from __future__ import annotations

import csv
import io

from oracle.reference import Tables

from pipeline.reference.columns import table_from, version_of
from pipeline.reference.read_csv import read_csv
from pipeline.references import References
from schemas.reference import REFERENCE_TABLES


def csv_of(name: str, rows: list[dict[str, str]]) -> bytes:
    """The CSV of a table; columns that a row leaves out are blank."""
    text = io.StringIO()
    writer = csv.DictWriter(text, REFERENCE_TABLES[name].header, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def references_of(tables: Tables) -> References:
    """The snapshot of these tables."""
    found = {}
    for name, rows in tables.items():
        declared = REFERENCE_TABLES[name]
        columns = read_csv(declared, csv_of(name, [dict(row) for row in rows]), name)
        found[name] = table_from(declared, columns, version_of(columns))
    return References(found)
