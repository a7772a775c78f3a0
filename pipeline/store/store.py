"""The store as a run sees it: take in rows, commit them as one outcome, find what was sent before.

The commit protocol. A batch is decided and staged in memory; then

    Step 1  the archive makes the uploads' bytes durable
    Step 2  the journal says that data files of this batch may lie about
    Step 3  the data files are written and made durable
    Step 4  the journal entry is written and made durable: from here on the outcome stands
    Step 5  the tables get their commits, in a fixed order, ``uploads`` last
    Step 6  the journal entry is forgotten

A failure before step 4 leaves the store as before the batch, one after it as after the batch: the
next opening completes step 5 from the journal, skipping tables that have the batch already.
"""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from pipeline.archive import Archive
from pipeline.errors import StoreUnusableError, StoreWriteError
from pipeline.outcome import Mode
from pipeline.state import MemoryState
from pipeline.store.current import CurrentTables
from pipeline.store.datafiles import DataFile, sync_folders, write_data_file
from pipeline.store.delta import (
    ALL_TABLES,
    PRECHECK,
    DeltaTables,
    TableCommit,
    drop_torn_commit,
    file_schema,
    table_of,
)
from pipeline.store.journal import Entry, Journal
from pipeline.store.layout import (
    DEFAULT_BUCKETS,
    Layout,
    StoreConfig,
    layout_of,
    locked,
    read_config,
    write_config,
)
from pipeline.store.redelivery import Redeliveries

WAIT_SECONDS: Final = 60.0
_NOT_YET_A_STORE: Final = ("store.lock", "store.json.part")


class Store:
    """An open store, for one mode and one process. Made by ``open_store``."""

    def __init__(self, layout: Layout, config: StoreConfig, mode: Mode) -> None:
        self.buckets = config.buckets
        self._layout = layout
        self._prefix = PRECHECK if mode == "precheck" else ""
        self._journal = Journal(layout.journal)
        if self._journal.entries():
            for name in ALL_TABLES:
                drop_torn_commit(layout.table(name))
        self._tables = DeltaTables(layout)
        self._tables.create_missing()
        self._recover()
        self._batch = self._tables.committed("uploads")
        self._sequence = _last_sequence(self._tables)
        self._staged: dict[str, list[pa.Table]] = defaultdict(list)
        self._first_sequence = self._sequence + 1
        self.state = MemoryState()
        self.current = CurrentTables(layout, self._tables, self._prefix, self.state)
        self.redeliveries = Redeliveries(self._tables, mode)
        self.archive = Archive(layout.raw)

    def close(self) -> None:
        """Let go of the files. What was staged and not committed is forgotten."""
        self.archive.close()

    def next_sequence(self) -> int:
        """The next number in the order of receipt, the only order that last write wins knows."""
        self._sequence += 1
        return self._sequence

    def keep(self, digest: bytes, plain: int, frame: bytes) -> None:
        """Take an upload's bytes into the archive, as ``Archive.add``. Raises ``StoreWriteError``.

        They are durable with the next commit.
        """
        with _write_failures():
            self.archive.add(digest, plain, frame)

    def stage(self, table: str, rows: pa.Table) -> None:
        """Take rows into the next commit. ``history`` is that of the store's mode."""
        if len(rows):
            self._staged[self._prefix + table if table == "history" else table].append(rows)
        if table == "uploads":
            self.redeliveries.remember(rows)

    def commit(self) -> int | None:
        """Make everything staged one durable outcome; gives its number, ``None`` for nothing.

        Raises ``StoreWriteError``; the store is then to be closed and opened anew.
        """
        if not self._staged:
            return None
        batch = self._batch + 1
        with _write_failures():
            # Step 1: the archive
            self.archive.sync()
            # Step 2: data files may lie about
            self._journal.begin(batch)
            try:
                # Step 3: data files
                commits = self._write(batch)
                # Step 4: the outcome stands
                self._journal.record(Entry(batch, tuple(commits)))
            except BaseException:
                if not self._journal.holds(batch):  # else the next opening needs the files
                    self._sweep(batch)
                raise
            self._finish(Entry(batch, tuple(commits)))
        self._batch = batch
        self._staged.clear()
        self._first_sequence = self._sequence + 1
        self.redeliveries.committed()
        return batch

    def _finish(self, entry: Entry) -> None:
        # Step 5: the tables, uploads last
        now = int(time.time() * 1000)
        for change in entry.commits:
            self._tables.commit(change, entry.batch, now)
        # Step 6: forget
        self._journal.forget(entry.batch)

    def _write(self, batch: int) -> list[TableCommit]:
        """Every data file of a batch, by table, in the order of their commits."""
        commits = [c for c in self.current.write(batch) if c.added or c.removed]
        for name in (self._prefix + "history", "findings"):
            if self._staged[name]:
                commits.append(self._append(name, batch, pa.concat_tables(self._staged[name])))
        uploads = pa.concat_tables(self._staged["uploads"])
        redelivered_only = uploads["redelivery_of"].null_count == 0
        if not redelivered_only:
            names = [c.table for c in commits] + ["batches", "uploads"]
            commits.append(self._append("batches", batch, self._batch_row(batch, names)))
        commits.append(self._append("uploads", batch, uploads))
        for commit in commits:
            sync_folders(self._layout.table(commit.table), commit.added)
        return commits

    def _append(self, name: str, batch: int, rows: pa.Table) -> TableCommit:
        """Files for new rows of a table, one a partition."""
        folder, files = self._layout.table(name), list[DataFile]()
        partition_by = table_of(name).partition_by
        for count, (partition, part) in enumerate(_partitions(rows, partition_by)):
            plain = part.select(file_schema(name).names).cast(file_schema(name))
            files.append(write_data_file(folder, f"{batch:08d}-{count:04d}", plain, partition))
        return TableCommit(name, tuple(files))

    def _batch_row(self, batch: int, changed: list[str]) -> pa.Table:
        """Which versions belong together once this batch is in every table."""
        versions = [
            (name, self._tables.version(name) + (1 if name in changed else 0))
            for name in ALL_TABLES
        ]
        row = {
            "batch": batch,
            "sequence_from": self._first_sequence,
            "sequence_to": self._sequence,
            "committed_at": datetime.now(UTC),
            "versions": versions,
        }
        return pa.Table.from_pylist([row], schema=table_of("batches").schema)

    def _recover(self) -> None:
        """Bring the tables what the journal holds, and remove what a crash left lying about."""
        interrupted = self._journal.interrupted()
        for entry in self._journal.entries():
            self._finish(entry)
        if interrupted is not None:
            if interrupted > self._tables.committed("uploads"):
                self._sweep(interrupted)
            self._journal.abandon()

    def _sweep(self, batch: int) -> None:
        """Remove the data files of a batch that came to nothing."""
        for path in (self._layout.root / "tables").rglob(f"{batch:08d}-*.parquet"):
            path.unlink(missing_ok=True)
        self._journal.abandon()


@contextmanager
def open_store(
    uri: str | Path,
    mode: Mode = "official",
    *,
    buckets: int = DEFAULT_BUCKETS,
    wait_seconds: float = WAIT_SECONDS,
    waiting: Callable[[str], None] | None = None,
) -> Iterator[Store]:
    """Open a store for writing, making it if there is none, and complete what a crash cut short.

    Raises ``StoreUnusableError``, ``StoreBusyError`` or ``StoreWriteError``.
    """
    layout = layout_of(uri)
    with _write_failures():
        layout.root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        with _write_failures():
            held.enter_context(locked(layout, wait_seconds, waiting))
            store = Store(layout, _config(layout, buckets), mode)
        try:
            yield store
        finally:
            store.close()


def _config(layout: Layout, buckets: int) -> StoreConfig:
    """The store's settings, written now if this is a new store."""
    config = read_config(layout)
    if config is None:
        _refuse_foreign_folder(layout)
        config = StoreConfig(buckets=buckets)
        write_config(layout, config)
    return config


def _refuse_foreign_folder(layout: Layout) -> None:
    strangers = [p.name for p in layout.root.iterdir() if p.name not in _NOT_YET_A_STORE]
    if strangers:
        raise StoreUnusableError(
            f"{layout.root} 不是資料庫，裡面已有其他檔案（{strangers[0]}）；請給空的資料夾",
            f"{layout.root} is no store and holds other files ({strangers[0]}); "
            "give an empty folder",
        )


def _last_sequence(tables: DeltaTables) -> int:
    column = tables.dataset("uploads").to_table(columns=["sequence"])["sequence"]
    return int(pc.max(column).as_py() or 0)


def _partitions(
    rows: pa.Table, partition_by: tuple[str, ...]
) -> Iterator[tuple[dict[str, str], pa.Table]]:
    """Rows by the value of their partition column; all of them where there is none."""
    if not partition_by:
        yield {}, rows
        return
    (name,) = partition_by
    for value in pc.unique(rows[name]):
        yield {name: str(value.as_py())}, rows.filter(pc.equal(rows[name], value))


@contextmanager
def _write_failures() -> Iterator[None]:
    """Say what to do when the disk is full, read-only, or otherwise gives up."""
    try:
        yield
    except (OSError, DeltaError, sqlite3.OperationalError, pa.ArrowException) as error:
        raise StoreWriteError(
            f"資料庫無法寫入（{error}）。請清出磁碟空間或修正權限後再執行一次；"
            "資料仍是這一批之前或之後的完整狀態",
            f"The store can't be written ({error}). Free disk space or mend the permissions and "
            "run again; the data is whole, as before or after this batch",
        ) from error
