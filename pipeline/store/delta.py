"""The Delta tables of a store: made, read, and committed to exactly once a batch.

A commit carries the batch's number as the version of the application's transaction; a table that
is already there is left alone. The handle that read that version is the one that commits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, PostCommitHookProperties, Schema
from deltalake.transaction import AddAction, RemoveAction, Transaction

from pipeline.store.datafiles import ANY_SEQUENCE, BOUNDED, DataFile
from pipeline.store.files import Files
from pipeline.store.layout import Layout
from pipeline.store.logs import checkpointed, drop_checkpoint, sync_checkpoint, sync_commit
from schemas.tables import PRECHECK_TABLES, PREFIXES, TABLES, Table

APP: Final = "run"
PRECHECK: Final = PREFIXES["precheck"]
CHECKPOINT_EVERY: Final = 50  # commits; what an opening reads of a table's log is at most so many

# Without this, pyarrow takes a column without statistics for one without any rows that match.
_STATS_COLUMNS: Final = "delta.dataSkippingStatsColumns"

# delta-rs makes neither checkpoints durable nor waits with them until a commit is.
_NO_HOOKS: Final = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)

ALL_TABLES: Final = (*TABLES, *(PRECHECK + name for name in PRECHECK_TABLES))


@dataclass(frozen=True)
class TableCommit:
    """The files one commit adds to and removes from one table.

    ``rearranged``: the rows are the same as before, so that who follows changes may skip it.
    """

    table: str
    added: tuple[DataFile, ...]
    removed: tuple[DataFile, ...] = ()
    rearranged: bool = False


def table_of(name: str) -> Table:
    """Columns and partitioning of a table, official or pre-check."""
    return TABLES[name.removeprefix(PRECHECK)]


def file_schema(name: str) -> pa.Schema:
    """The columns that stand in a table's files: all but those it is partitioned by."""
    table = table_of(name)
    return pa.schema([f for f in table.schema if f.name not in table.partition_by])


def is_delta(files: Files) -> bool:
    """Whether there is a Delta table in a folder."""
    return DeltaTable.is_deltatable(files.uri, _options(files))


def open_delta(files: Files, version: int | None = None) -> DeltaTable:
    """The Delta table in a folder, as it is now or was at a version."""
    return DeltaTable(files.uri, version, storage_options=_options(files))


def _options(files: Files) -> dict[str, str] | None:
    told = files.delta_options
    return None if told is None else {**told}


def _bounded(name: str) -> list[str]:
    """The columns a table has statistics of."""
    return [column for column in file_schema(name).names if column in BOUNDED]


class DeltaTables:
    """The tables under one layout. Handles are kept: opening replays a table's log.

    ``versions``: read these tables as they were then, instead of as they are. ``guard`` is called
    before each commit, once the handle that makes it is open, and raises if there is to be none.

    One thread commits; others may read meanwhile, and see a table as before or after a commit.
    """

    def __init__(
        self, layout: Layout, versions: Mapping[str, int] | None = None,
        *, guard: Callable[[], None] | None = None,
    ) -> None:  # fmt: skip
        self._layout = layout
        self._guard = guard
        self._versions = versions or {}
        self._handles: dict[str, DeltaTable] = {}
        self._lock = Lock()

    def exists(self, name: str) -> bool:
        """Whether the table is there."""
        return name in self._handles or is_delta(self._layout.table_files(name))

    def create_missing(self) -> None:
        """Make every table that is not there yet, empty."""
        for name in ALL_TABLES:
            if not self.exists(name):
                files, table = self._layout.table_files(name), table_of(name)
                files.make()
                DeltaTable.create(
                    files.uri,
                    table.schema,
                    partition_by=list(table.partition_by),
                    configuration={_STATS_COLUMNS: ",".join(_bounded(name))},
                    storage_options=_options(files),
                )
                sync_commit(files, 0)

    def add_missing_columns(self, name: str) -> None:
        """Add the columns that a table made by an older program lacks; no file is rewritten."""
        handle = self._handle(name)
        there = {field.name for field in handle.schema().fields}
        wanted = Schema.from_arrow(table_of(name).schema).fields
        lacking = [field for field in wanted if field.name not in there]
        if lacking:
            handle.alter.add_columns(lacking, post_commithook_properties=_NO_HOOKS)
            handle.update_incremental()
        sync_commit(self._layout.table_files(name), handle.version())

    def partition_by(self, name: str) -> list[str]:
        """The columns that the table's files are partitioned by."""
        return list(self._handle(name).metadata().partition_columns)

    def version(self, name: str) -> int:
        """The table's current Delta version."""
        return int(self._handle(name).version())

    def committed(self, name: str) -> int:
        """The highest batch in the table, 0 if there is none."""
        return self._handle(name).transaction_version(APP) or 0

    def adds(self, name: str) -> pa.Table:
        """The files that make up the table now, as Delta's log has them: a row a file."""
        return pa.table(self._handle(name).get_add_actions(flatten=True))

    def files(self, name: str) -> list[DataFile]:
        """The files that make up the table now."""
        partition_by = table_of(name).partition_by
        return [
            DataFile(
                path=row["path"],
                size=row["size_bytes"],
                rows=row["num_records"],
                partition={p: str(row[f"partition.{p}"]) for p in partition_by},
                stats="",
                modified=0,
                low=_known(row.get("min.sequence"), 0),
                high=_known(row.get("max.sequence"), ANY_SEQUENCE),
            )
            for row in self.adds(name).to_pylist()
        ]

    def dataset(self, name: str) -> pa.dataset.Dataset:
        """The table's current rows, to be filtered and read in part."""
        # With delta-rs's own filesystem an Arrow thread may free Python memory after the
        # interpreter has ended, which aborts a process that had done its work.
        files = self._layout.table_files(name)
        return self._handle(name).to_pyarrow_dataset(filesystem=files.filesystem())

    def offset(self, source: str) -> int | None:
        """From where a source goes on after the last commit; ``None`` if it is new."""
        return self._handle("uploads").transaction_version(source)

    def commit(
        self, change: TableCommit, batch: int, now_ms: int, offsets: Mapping[str, int] | None = None
    ) -> None:
        """Commit a batch's files to a table, unless it has that batch or a later one.

        ``offsets`` are told by ``offset`` from then on.
        """
        path = self._layout.table_files(change.table)
        if self.committed(change.table) >= batch:
            sync_commit(path, self.version(change.table))
            return
        table, handle = table_of(change.table), self._handle(change.table)
        real = not change.rearranged
        added = [
            AddAction(f.path, f.size, f.partition, f.modified, real, f.stats) for f in change.added
        ]
        removed = [
            RemoveAction(f.path, real, now_ms, f.size, {**f.partition}) for f in change.removed
        ]
        if self._guard is not None:
            self._guard()
        handle.create_write_transaction(
            [*added, *removed],
            mode="append",
            schema=table.schema,
            partition_by=list(table.partition_by),
            commit_properties=CommitProperties(
                custom_metadata={"batch": str(batch)},
                max_commit_retries=0,
                app_transactions=[
                    Transaction(APP, batch, now_ms),
                    *(Transaction(name, at, now_ms) for name, at in (offsets or {}).items()),
                ],
            ),
            post_commithook_properties=_NO_HOOKS,
        )
        handle.update_incremental()
        sync_commit(path, handle.version())
        if handle.version() % CHECKPOINT_EVERY == 0:
            self.checkpoint(change.table)

    def checkpoint(self, name: str) -> None:
        """Sum the table's log up in one file, so that opening the table reads little.

        A handle works through every commit since it was opened, each time, so it is opened anew.
        Measured without: 80 ms a commit to a table after a thousand of them, from 4 ms at first.
        """
        handle, path = self._handle(name), self._layout.table_files(name)
        if checkpointed(path) != handle.version():
            drop_checkpoint(path, handle.version())  # delta-rs would leave one cut short as it is
            handle.create_checkpoint()
            sync_checkpoint(path, handle.version())
            with self._lock:
                del self._handles[name]

    def forget_old_log(self, name: str) -> None:
        """Drop log files older than Delta's retention (30 days) that a checkpoint sums up."""
        self._handle(name).cleanup_metadata()

    def unused(self, name: str, retain_hours: int) -> list[str]:
        """Paths of data files that no version of the last hours has, strays among them."""
        return self._handle(name).vacuum(
            retain_hours, dry_run=True, enforce_retention_duration=False, full=True
        )

    def _handle(self, name: str) -> DeltaTable:
        with self._lock:  # of two handles that threads opened, one would stay behind the table
            if name not in self._handles:
                version = self._versions.get(name)
                self._handles[name] = open_delta(self._layout.table_files(name), version)
            return self._handles[name]


def _known(value: int | None, otherwise: int) -> int:
    return otherwise if value is None else value
