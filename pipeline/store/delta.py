"""The Delta tables of a store: made, read, and committed to exactly once a batch.

A commit carries the batch's number as the version of the application's transaction; a table that
is already there is left alone. The handle that read that version is the one that commits.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable
from deltalake.transaction import AddAction, RemoveAction, Transaction

from pipeline.store.datafiles import BOUNDED, DataFile
from pipeline.store.layout import Layout, sync_folder
from schemas.tables import PRECHECK_TABLES, TABLES, Table

APP: Final = "run"
PRECHECK: Final = "precheck_"

# Without this, pyarrow takes a column without statistics for one without any rows that match.
_STATS_COLUMNS: Final = "delta.dataSkippingStatsColumns"

ALL_TABLES: Final = (*TABLES, *(PRECHECK + name for name in PRECHECK_TABLES))


@dataclass(frozen=True)
class TableCommit:
    """The files one commit adds to and removes from one table."""

    table: str
    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...] = ()


def table_of(name: str) -> Table:
    """Columns and partitioning of a table, official or pre-check."""
    return TABLES[name.removeprefix(PRECHECK)]


def file_schema(name: str) -> pa.Schema:
    """The columns that stand in a table's files: all but those it is partitioned by."""
    table = table_of(name)
    return pa.schema([f for f in table.schema if f.name not in table.partition_by])


def _bounded(name: str) -> list[str]:
    """The columns a table has statistics of."""
    return [column for column in file_schema(name).names if column in BOUNDED]


class DeltaTables:
    """The tables under one layout. Handles are kept: opening replays a table's log."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._handles: dict[str, DeltaTable] = {}

    def create_missing(self) -> None:
        """Make every table that is not there yet, empty."""
        for name in ALL_TABLES:
            path = self._layout.table(name)
            if not DeltaTable.is_deltatable(str(path)):
                path.mkdir(parents=True, exist_ok=True)
                table = table_of(name)
                DeltaTable.create(
                    path,
                    table.schema,
                    partition_by=list(table.partition_by),
                    configuration={_STATS_COLUMNS: ",".join(_bounded(name))},
                )
                _make_durable(path, 0)

    def version(self, name: str) -> int:
        """The table's current Delta version."""
        return int(self._handle(name).version())

    def committed(self, name: str) -> int:
        """The highest batch in the table, 0 if there is none."""
        return self._handle(name).transaction_version(APP) or 0

    def files(self, name: str) -> list[DataFile]:
        """The files that make up the table now."""
        partition_by = table_of(name).partition_by
        rows = pa.table(self._handle(name).get_add_actions(flatten=True)).to_pylist()
        return [
            DataFile(
                path=row["path"],
                size=row["size_bytes"],
                rows=row["num_records"],
                partition={p: str(row[f"partition.{p}"]) for p in partition_by},
                stats="",
                modified=0,
            )
            for row in rows
        ]

    def dataset(self, name: str) -> pa.dataset.Dataset:
        """The table's current rows, to be filtered and read in part."""
        return self._handle(name).to_pyarrow_dataset()

    def commit(self, change: TableCommit, batch: int, now_ms: int) -> None:
        """Commit a batch's files to a table, unless it has that batch or a later one."""
        if self.committed(change.table) >= batch:
            _make_durable(self._layout.table(change.table), self.version(change.table))
            return
        table, handle = table_of(change.table), self._handle(change.table)
        added = [
            AddAction(f.path, f.size, f.partition, f.modified, True, f.stats) for f in change.added
        ]
        removed = [
            RemoveAction(f.path, True, now_ms, f.size, {**f.partition}) for f in change.removed
        ]
        handle.create_write_transaction(
            [*added, *removed],
            mode="append",
            schema=table.schema,
            partition_by=list(table.partition_by),
            commit_properties=CommitProperties(
                custom_metadata={"batch": str(batch)},
                max_commit_retries=0,
                app_transactions=[Transaction(APP, batch, now_ms)],
            ),
        )
        handle.update_incremental()
        _make_durable(self._layout.table(change.table), handle.version())

    def _handle(self, name: str) -> DeltaTable:
        if name not in self._handles:
            self._handles[name] = DeltaTable(self._layout.table(name))
        return self._handles[name]


def drop_torn_commit(table: Path) -> None:
    """Remove a last log file that a power failure left empty; the journal still has its batch."""
    log = table / "_delta_log"
    last = max(log.glob("*.json"), default=None)
    if last is not None and last.stat().st_size == 0:
        last.unlink()
        sync_folder(log)


def _make_durable(table: Path, version: int) -> None:
    """delta-rs does not sync its log, and the journal must not be forgotten before it is there."""
    log = table / "_delta_log"
    handle = os.open(log / f"{version:020d}.json", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    sync_folder(log)
