"""The states of one partition on the disk of its worker: one a track, each with how far it is.

A state is saved after what it rests on is with the cluster, so it may be ahead of the tables but
never of what others know. One that is behind the tables, or missing, is built from them.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Final

from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout
from pipeline.store.state_db import Marker, StateDamagedError, StateDb
from pipeline.store.state_rebuild import build
from pipeline.store.state_rows import StateRows
from pipeline.stream.standing import Standing
from pipeline.stream.topics import Stream
from schemas.tables import PREFIXES, Track

_TRACKS: Final = tuple(PREFIXES)

_log = logging.getLogger(__name__)


class PartitionStates:
    """The open states of one partition. ``low``: from where its records are to be read.

    A marker holds ``low`` in the place of a batch, and the sequence up to which all is merged.
    """

    def __init__(
        self, folder: Path, layout: Layout, stream: Stream, partition: int, buckets: int,
        standing: Standing,
    ) -> None:  # fmt: skip
        of_partition = [b for b in range(buckets) if b % stream.partitions == partition]
        tables = DeltaTables(layout, standing.versions)
        tabled = Marker(standing.records[partition], standing.through)
        self._dbs = {
            track: _opened(folder / track, StateRows(tables, track, of_partition), track, tabled)
            for track in _TRACKS
        }
        self._at = {track: state.marker for track, state in self._dbs.items()}
        first = min(self._at.values(), key=lambda marker: marker.sequence)
        self.after, self.low = first.sequence, first.batch
        self.sent = max(marker.sequence for marker in self._at.values())
        """What came of steps up to this one was sent before."""

    def __call__(self, track: Track) -> StateDb:
        """The state of a track."""
        return self._dbs[track]

    def behind(self, track: Track, through: int) -> bool:
        """Whether a state has yet to merge what lies up to a sequence."""
        return self._at[track].sequence < through

    def save(self, low: int, through: int) -> None:
        """Make the states last. What they rest on is with the cluster."""
        for track, state in self._dbs.items():
            if self.behind(track, through):
                state.save(low, through)
                self._at[track] = Marker(low, through)

    def close(self) -> None:
        """Let go of the files; what was put and not saved is forgotten."""
        for state in self._dbs.values():
            state.close()


def folder_of(stream: Stream, partition: int) -> str:
    """The folder of a partition's states, by its name among those of a worker."""
    return stream.topic(str(partition))


def forget_others(folder: Path, stream: Stream) -> None:
    """Remove the states of other streams: those of one that was renewed may be ahead of the
    tables."""
    ours = {folder_of(stream, number) for number in range(stream.partitions)}
    for other in folder.iterdir():
        if other.is_dir() and other.name not in ours:
            shutil.rmtree(other)


def _opened(folder: Path, rows: StateRows, track: Track, tabled: Marker) -> StateDb:
    """A state that is not behind the tables."""
    try:
        state = StateDb(folder)
        if state.marker.sequence >= tabled.sequence and state.marker.sequence > 0:
            return state
        state.close()
    except StateDamagedError as damage:
        _log.warning("%s", damage.message_en)
    build(folder, rows, track, tabled)
    return StateDb(folder)
