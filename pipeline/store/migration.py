"""A store of an older format brought up to this program's, once, when it is opened for writing.

    Step 1  tables that are partitioned otherwise now and were never written to are made anew
    Step 2  new tables are made; new columns are added, no file is rewritten
    Step 3  what a crash cut short is completed, as at any opening
    Step 4  rows that lie in another bucket than they are looked for in are moved, in one commit
    Step 5  the ledger of the visits there are becomes rows, in one commit
    Step 6  the settings name the new format

Each step does nothing where it was done before, so a migration that was killed goes on from there.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from pipeline.outcome import Mode
from pipeline.store.appended import append, batch_row
from pipeline.store.committer import Committer
from pipeline.store.current import CurrentTables
from pipeline.store.delta import ALL_TABLES, DeltaTables, TableCommit, table_of
from pipeline.store.files import sync_folder
from pipeline.store.layout import FORMAT, Layout, StoreConfig, write_config
from pipeline.store.old_ledger import ledgers_of
from pipeline.store.rebucketing import rebucketed
from schemas.tables import PREFIXES

_ASIDE: Final = ".old"
_REMADE: Final = "prescriptions"

_MODES: Final[tuple[Mode, ...]] = ("official", "precheck")

Tell = Callable[[str], None]


def migrate(layout: Layout, config: StoreConfig, tell: Tell | None) -> Committer:
    """Bring a store that is held up to ``FORMAT``; gives its tables, as of then."""
    if tell:
        tell(
            f"資料庫由第 {config.format} 版升級至第 {FORMAT} 版\n"
            f"Bringing the store from format {config.format} to {FORMAT}"
        )
    # Step 1: tables partitioned otherwise
    _set_aside(layout)
    # Step 2: new tables and columns
    tables = DeltaTables(layout)
    tables.create_missing()
    for name in ALL_TABLES:
        tables.add_missing_columns(name)
    # Step 3: what a crash cut short
    committer = Committer(layout, replace(config, format=FORMAT), tables)
    # Step 4: other buckets
    committer.commit(lambda batch: _whole(committer, batch, rebucketed(committer, batch)))
    # Step 5: the ledger
    if not any(len(tables.adds(PREFIXES[mode] + _REMADE)) for mode in _MODES):
        committer.commit(lambda batch: _whole(committer, batch, _ledgers(committer, batch)))
    # Step 6: the new format
    write_config(layout, committer.config)
    return committer


def _set_aside(layout: Layout) -> None:
    folder = layout.table(_REMADE)
    aside = folder.with_name(folder.name + _ASIDE)
    tables = DeltaTables(layout)
    wanted = list(table_of(_REMADE).partition_by)
    if tables.exists(_REMADE) and tables.partition_by(_REMADE) != wanted:
        folder.rename(aside)
        sync_folder(folder.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _ledgers(committer: Committer, batch: int) -> Iterator[TableCommit]:
    """Rows of ``prescriptions`` of both modes."""
    layout, tables = committer.layout, committer.tables
    for mode in _MODES:
        name = PREFIXES[mode] + _REMADE
        ledger = CurrentTables(layout, tables, [name], "prescription_id")
        for changes in ledgers_of(tables, mode, committer.config.buckets):
            ledger.apply(changes)
        ledger.freeze()
        yield from ledger.write(batch)


def _whole(committer: Committer, batch: int, changes: Iterator[TableCommit]) -> list[TableCommit]:
    """The commits of a batch: ``batches`` and ``uploads`` follow whatever changed."""
    layout, tables, commits = committer.layout, committer.tables, list(changes)
    changed = [*(commit.table for commit in commits), "batches", "uploads"]
    last = committer.last_sequence
    row = batch_row(tables, batch, (last + 1, last), changed)
    return [*commits, append(layout, "batches", batch, row), TableCommit("uploads", ())]
