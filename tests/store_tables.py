"""A store's tables alone, and changes to them made from plain rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.merge.changes import Changes, GoneRows, NewRows
from pipeline.store.committer import Committer
from pipeline.store.current import CurrentTables
from pipeline.store.delta import TableCommit, file_schema
from pipeline.store.opening import open_tables

Version = tuple[str, int]  # key, sequence
Partition = tuple[str, int]
MONTHS = ("2024-01", "2024-02")


@contextmanager
def tables_of(store: Path) -> Iterator[Committer]:
    """The tables of a store, new or not, opened for writing."""
    with open_tables(store, buckets=2) as committer:
        yield committer


def put_visits(committer: Committer, versions: Iterable[Version]) -> None:
    """Commit made-up versions, as a batch of uploads would."""
    tables = current_visits(committer)
    tables.apply(changes([], versions))
    tables.freeze()
    committer.commit(lambda batch: [*tables.write(batch), TableCommit("uploads", ())])


def current_visits(committer: Committer) -> CurrentTables:
    """Visits and orders."""
    return CurrentTables(committer.layout, committer.tables, ["visits", "orders"], "visit_key")


def partition_of(key: str) -> Partition:
    """Where a made-up visit lies."""
    number = int(key[1:])
    return MONTHS[number % 2], number // 2 % 2


def orders_of(version: Version) -> int:
    """How many orders a made-up version has: none to three."""
    return (int(version[0][1:]) + version[1]) % 4


def changes(gone: Iterable[Version], new: Iterable[Version]) -> Changes:
    """These versions go and come."""
    taken: dict[Partition, list[Version]] = defaultdict(list)
    come: dict[Partition, list[Version]] = defaultdict(list)
    for version in gone:
        taken[partition_of(version[0])].append(version)
    for version in new:
        come[partition_of(version[0])].append(version)
    return Changes(
        tuple(
            GoneRows(place, pa.array([k for k, _ in some]), np.array([s for _, s in some]))
            for place, some in taken.items()
        ),
        tuple(
            NewRows.of(place, (rows("visits", map(visit, some)), rows("orders", orders(some))))
            for place, some in come.items()
        ),
    )


def rows(table: str, found: Iterable[dict[str, Any]]) -> pa.Table:
    """Rows of a table, without partition columns; what is not given is empty."""
    schema = file_schema(table)
    return pa.Table.from_pylist([_EMPTY[table] | row for row in found], schema=schema)


def visit(version: Version) -> dict[str, Any]:
    """The row of a made-up version."""
    key, sequence = version
    return {"visit_key": key, "sequence": sequence, "visit_date": date(2024, 1, 2)}


def orders(versions: Iterable[Version]) -> Iterator[dict[str, Any]]:
    """The orders of made-up versions."""
    for version in versions:
        for number in range(orders_of(version)):
            yield {"visit_key": version[0], "sequence": version[1], "order_no": number + 1}


def _blank(table: str) -> dict[str, Any]:
    blanks = {pa.string(): "", pa.int32(): 0, pa.int64(): 0}
    return {
        field.name: blanks.get(field.type, 0) if not field.nullable else None
        for field in file_schema(table)
    }


_EMPTY = {table: _blank(table) for table in ("visits", "orders")}
