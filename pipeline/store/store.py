"""The store as a run sees it: take in rows, commit them as one outcome, find what was sent before.

A batch is decided and staged in memory. Its commit makes the uploads' bytes durable in the archive
(step 1), then goes on as ``pipeline.store.committer`` describes.

A commit can be made in the background: ``begin_commit`` freezes what is staged and gives what makes
it durable, for another thread to call while the next batches are decided. Everything that is frozen
stays visible to those, in memory until it is in the tables. One commit at a time.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.errors import StoreUnusableError
from pipeline.store.appended import append, batch_row
from pipeline.store.archive import Archive
from pipeline.store.committer import Committer
from pipeline.store.compaction import compact
from pipeline.store.delta import TableCommit
from pipeline.store.failures import commit_failed, write_failures
from pipeline.store.gathered import Piece, gather, joined
from pipeline.store.layout import DEFAULT_BUCKETS, Layout, layout_of
from pipeline.store.opening import WAIT_SECONDS, Tell, open_tables
from pipeline.store.redelivery import Redeliveries
from pipeline.store.registrations import Registrations
from pipeline.store.state_db import Marker
from pipeline.store.state_rebuild import open_state
from pipeline.store.tracks import TrackTables
from pipeline.store.uploads import Uploads
from pipeline.store.vacuum import vacuum
from schemas.tables import PREFIXES, Track

__all__ = ["WAIT_SECONDS", "Store", "open_store"]


@dataclass(frozen=True)
class _Outcome:
    """What a commit makes durable, besides what tables and states froze for themselves.

    ``sequences``: the first and last of its uploads. ``told``: it gets a row in ``batches``.
    ``offsets``: from where a stream goes on after it.
    """

    rows: dict[str, list[Piece]]
    sequences: tuple[int, int]
    told: bool
    offsets: Mapping[str, int]


class Store:
    """An open store, for one process. Made by ``open_store``.

    One thread takes rows in; what ``begin_commit`` gives may be called by another. After a commit
    that failed nothing more is taken in: ``StoreWriteError``.
    """

    def __init__(
        self, committer: Committer, archive: Archive | None, tell: Tell | None = None
    ) -> None:
        self.buckets = committer.config.buckets
        self._committer = committer
        self._layout = committer.layout
        self._staged: dict[str, list[Piece]] = defaultdict(list)
        self._uploads = Uploads(self._layout, committer.tables)
        self._registrations = Registrations(self._layout, committer.tables)
        self._under_way = self._failed = self._closed = False
        self._finishing = Lock()
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
        self._archive = archive

    @property
    def archive(self) -> Archive:
        """Its packs. Raises ``StoreUnusableError`` for a store of streams, which has none."""
        if self._archive is None:
            raise _of_streams(self._layout)
        return self._archive

    def close(self) -> None:
        """Let go of the files, once a commit under way is done. What was staged and not committed
        is forgotten."""
        with self._finishing:
            self._closed = True
            for track in self._tracks.values():
                track.close()

    def track(self, name: Track) -> TrackTables:
        """The current tables and the state of a track."""
        self._check()
        return self._tracks[name]

    def next_sequence(self) -> int:
        """The next number in the order of receipt, the only order that last write wins knows."""
        self._sequence += 1
        return self._sequence

    def reach(self, sequence: int) -> None:
        """Sequences come from elsewhere, and are taken up to this one."""
        self._sequence = max(self._sequence, sequence)

    @property
    def last_sequence(self) -> int:
        """The highest sequence that was given or reached."""
        return self._sequence

    def offset(self, source: str) -> int | None:
        """From where a source goes on after the last commit; ``None`` if it is new."""
        return self._committer.tables.offset(source)

    def keep(self, digest: bytes, plain: int, frame: bytes) -> None:
        """Take an upload's bytes into the archive, as ``Archive.add``. Raises ``StoreWriteError``.

        They are durable with the next commit.
        """
        with write_failures():
            self.archive.add(digest, plain, frame)

    def stage(self, table: str, rows: pa.Table) -> None:
        """Take rows into the next commit."""
        self._check()
        if table == "uploads":
            self._uploads.stage(rows)
            self.redeliveries.remember(rows)
        elif table == "registrations":
            self._registrations.stage(rows)
        elif len(rows):
            gather(self._staged[table], Piece.of((), (rows,)))

    def replace_uploads(self, rows: Sequence[dict[str, Any]]) -> None:
        """Put rows in the place of those that ``uploads`` has under their upload ids.

        Raises ``KeyError`` if there is none. An upload keeps one row, whatever becomes of it. Not
        while a commit is under way, for that may be about the same uploads: ``RuntimeError``.
        """
        self._check()
        if self._under_way:
            raise RuntimeError("a commit is under way")
        self._uploads.replace(rows)

    def read(self, table: str, chosen: pc.Expression) -> pa.Table:
        """The committed rows of a table that are chosen."""
        return self._committer.tables.dataset(table).to_table(filter=chosen)

    def upload(self, upload_id: str) -> dict[str, Any] | None:
        """The row of an upload as it will be, committed or not; ``None`` if it has none."""
        return self._uploads.row(upload_id)

    def upload_ids(self, sequences: Sequence[int] | np.ndarray) -> list[str]:
        """The uploads of some sequences, committed or not. Raises ``KeyError``."""
        return self._uploads.ids(sequences)

    def commit(self, offsets: Mapping[str, int] | None = None) -> int | None:
        """Make everything staged one durable outcome; gives its number, ``None`` for nothing.

        ``offsets``: from where a stream goes on after it, by source. Raises ``StoreWriteError``;
        the store is then to be closed and opened anew.
        """
        finish = self.begin_commit(offsets)
        return finish() if finish else None

    def begin_commit(self, offsets: Mapping[str, int] | None = None) -> Callable[[], int] | None:
        """Freeze everything staged; gives what makes it one durable outcome, ``None`` for nothing.

        That is to be called once, by any thread, before the store is closed; it does as ``commit``.
        Raises ``RuntimeError`` before the last one is done.
        """
        self._check()
        if self._under_way:
            raise RuntimeError("a commit is under way")
        if self._uploads.empty:
            return None
        sequences = self._first_sequence, self._sequence
        outcome = _Outcome(
            self._staged, sequences, not self._uploads.only_redelivered, offsets or {}
        )
        self._under_way = True
        self._staged, self._first_sequence = defaultdict(list), self._sequence + 1
        for part in self._parts:
            part.freeze()
        return partial(self._finish, outcome)

    def keep_in_shape(self) -> tuple[int, int]:
        """Join small files, then remove those that nobody needs any more: how many of each.

        With nothing staged; the store is to be closed and opened anew. Raises ``StoreWriteError``.
        """
        self._check()
        if self._under_way or not self._uploads.empty:
            raise RuntimeError("something is staged")
        self._failed = True  # what it knows of files is not so any more
        joined = sum(one.files_before - one.files_after for one in compact(self._committer))
        return joined, sum(len(one.paths) for one in vacuum(self._committer))

    def _finish(self, outcome: _Outcome) -> int:
        """Make an outcome durable; then it need not be held in memory."""
        with self._finishing:
            if self._closed:
                raise RuntimeError("the store is closed")
            try:
                if self._archive is not None:
                    with write_failures():
                        # Step 1: the archive
                        self._archive.sync()
                batch = self._committer.commit(
                    partial(self._write, outcome), partial(self._save_state, outcome),
                    outcome.offsets,
                )  # fmt: skip
            except BaseException:
                self._failed = True
                for track in self._tracks.values():
                    track.refuse()
                raise
            for part in self._parts:
                part.committed()
            self._under_way = False
        return batch

    def _save_state(self, outcome: _Outcome, batch: int) -> None:
        for track in self._tracks.values():
            track.save(batch, outcome.sequences[1])

    def _write(self, outcome: _Outcome, batch: int) -> list[TableCommit]:
        """Every data file of a batch, by table, in the order of their commits."""
        commits = [commit for track in self._tracks.values() for commit in track.write(batch)]
        commits += self._registrations.write(batch)
        for name, pieces in sorted(outcome.rows.items()):
            (rows,) = joined(pieces).tables
            commits.append(append(self._layout, name, batch, rows))
        if outcome.told:
            changed = [c.table for c in commits] + ["batches", "uploads"]
            row = batch_row(self._committer.tables, batch, outcome.sequences, changed)
            commits.append(append(self._layout, "batches", batch, row))
        return [*commits, *self._uploads.write(batch)]

    @property
    def _parts(self) -> list[TrackTables | Registrations | Uploads | Redeliveries]:
        """All that freezes what it was given, and lets go of it when it is committed."""
        return [*self._tracks.values(), self._registrations, self._uploads, self.redeliveries]

    def _check(self) -> None:
        if self._failed:
            raise commit_failed()


@contextmanager
def open_store(
    uri: str | Path,
    *,
    buckets: int = DEFAULT_BUCKETS,
    wait_seconds: float = WAIT_SECONDS,
    waiting: Tell | None = None,
    archive: Archive | None = None,
    recording: bool = False,
) -> Iterator[Store]:
    """Open a store for writing, making it if there is none, and complete what a crash cut short.

    ``archive`` is the store's own, opened by somebody who closes it after the store. ``recording``
    as in ``open_tables``. Raises ``StoreUnusableError``, ``StoreBusyError`` or ``StoreWriteError``.
    """
    layout = layout_of(uri)
    if layout.disk is None and not recording:
        raise _of_streams(layout)
    with (
        open_tables(
            uri, buckets=buckets, wait_seconds=wait_seconds, tell=waiting, recording=recording
        ) as committer,
        ExitStack() as held,
    ):
        with write_failures():
            if archive is None and layout.disk is not None:
                archive = held.enter_context(Archive(layout.raw))
            store = Store(committer, archive, waiting)
        held.callback(store.close)
        yield store


def _of_streams(layout: Layout) -> StoreUnusableError:
    """Packs and the log of what was taken in need a disk."""
    return StoreUnusableError(
        f"{layout.uri} 只能由串流收件，請改用 nhi-upload publish 與 nhi-upload worker",
        f"{layout.uri} takes uploads from a stream only; use nhi-upload publish and "
        "nhi-upload worker",
    )
