"""The store as a run sees it: take in rows, commit them as one outcome, find what was sent before.

A batch is decided and staged in memory. Its commit makes the uploads' bytes durable in the archive
(step 1), then goes on as ``pipeline.store.committer`` describes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.archive import Archive
from pipeline.store.appended import append, batch_row
from pipeline.store.committer import Committer
from pipeline.store.delta import TableCommit
from pipeline.store.failures import write_failures
from pipeline.store.layout import DEFAULT_BUCKETS
from pipeline.store.opening import WAIT_SECONDS, Tell, open_tables
from pipeline.store.redelivery import Redeliveries
from pipeline.store.registrations import Registrations
from pipeline.store.state_db import Marker
from pipeline.store.state_rebuild import open_state
from pipeline.store.tracks import TrackTables
from pipeline.store.uploads import Uploads
from schemas.tables import PREFIXES, Track

__all__ = ["WAIT_SECONDS", "Store", "open_store"]


class Store:
    """An open store, for one process. Made by ``open_store``."""

    def __init__(self, committer: Committer, archive: Archive, tell: Tell | None = None) -> None:
        self.buckets = committer.config.buckets
        self._committer = committer
        self._layout = committer.layout
        self._staged: dict[str, list[pa.Table]] = defaultdict(list)
        self._uploads = Uploads(self._layout, committer.tables)
        self._registrations = Registrations(self._layout, committer.tables)
        self._sequence = committer.last_sequence
        self._first_sequence = self._sequence + 1
        self.redeliveries = Redeliveries(committer.tables)
        now = Marker(committer.batch, self._sequence)
        self._tracks = {
            track: TrackTables(
                committer, track,
                partial(open_state, self._layout, committer.tables, track, now, tell),
            )
            for track in PREFIXES
        }  # fmt: skip
        self.archive = archive

    def close(self) -> None:
        """Let go of the files. What was staged and not committed is forgotten."""
        for track in self._tracks.values():
            track.close()

    def track(self, name: Track) -> TrackTables:
        """The current tables and the state of a track."""
        return self._tracks[name]

    def next_sequence(self) -> int:
        """The next number in the order of receipt, the only order that last write wins knows."""
        self._sequence += 1
        return self._sequence

    def keep(self, digest: bytes, plain: int, frame: bytes) -> None:
        """Take an upload's bytes into the archive, as ``Archive.add``. Raises ``StoreWriteError``.

        They are durable with the next commit.
        """
        with write_failures():
            self.archive.add(digest, plain, frame)

    def stage(self, table: str, rows: pa.Table) -> None:
        """Take rows into the next commit."""
        if table == "uploads":
            self._uploads.stage(rows)
            self.redeliveries.remember(rows)
        elif table == "registrations":
            self._registrations.stage(rows)
        elif len(rows):
            self._staged[table].append(rows)

    def replace_uploads(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows in the place of those that ``uploads`` has under their upload ids.

        Raises ``KeyError`` if there is none. An upload keeps one row, whatever becomes of it.
        """
        self._uploads.replace(rows)

    def read(self, table: str, chosen: pc.Expression) -> pa.Table:
        """The committed rows of a table that are chosen."""
        return self._committer.tables.dataset(table).to_table(filter=chosen)

    def upload_ids(self, sequences: Sequence[int] | np.ndarray) -> list[str]:
        """The uploads of some sequences, committed or staged. Raises ``KeyError``."""
        return self._uploads.ids(sequences)

    def commit(self) -> int | None:
        """Make everything staged one durable outcome; gives its number, ``None`` for nothing.

        Raises ``StoreWriteError``; the store is then to be closed and opened anew.
        """
        if self._uploads.empty:
            return None
        with write_failures():
            # Step 1: the archive
            self.archive.sync()
        batch = self._committer.commit(self._write, self._save_state)
        self._staged.clear()
        self._first_sequence = self._sequence + 1
        self.redeliveries.committed()
        return batch

    def _save_state(self, batch: int) -> None:
        for track in self._tracks.values():
            track.save(batch, self._sequence)

    def _write(self, batch: int) -> list[TableCommit]:
        """Every data file of a batch, by table, in the order of their commits."""
        commits = [commit for track in self._tracks.values() for commit in track.write(batch)]
        commits += self._registrations.write(batch)
        for name, rows in sorted(self._staged.items()):
            commits.append(append(self._layout, name, batch, pa.concat_tables(rows)))
        if not self._uploads.only_redelivered:
            changed = [c.table for c in commits] + ["batches", "uploads"]
            sequences = self._first_sequence, self._sequence
            row = batch_row(self._committer.tables, batch, sequences, changed)
            commits.append(append(self._layout, "batches", batch, row))
        return [*commits, *self._uploads.write(batch)]


@contextmanager
def open_store(
    uri: str | Path,
    *,
    buckets: int = DEFAULT_BUCKETS,
    wait_seconds: float = WAIT_SECONDS,
    waiting: Tell | None = None,
    archive: Archive | None = None,
) -> Iterator[Store]:
    """Open a store for writing, making it if there is none, and complete what a crash cut short.

    ``archive`` is the store's own, opened by somebody who closes it after the store. Raises
    ``StoreUnusableError``, ``StoreBusyError`` or ``StoreWriteError``.
    """
    with (
        open_tables(uri, buckets=buckets, wait_seconds=wait_seconds, tell=waiting) as committer,
        ExitStack() as held,
    ):
        with write_failures():
            kept = archive or held.enter_context(Archive(committer.layout.raw))
            store = Store(committer, kept, waiting)
        held.callback(store.close)
        yield store
