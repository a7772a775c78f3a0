"""What a merge must remember between batches: which visit keys are live, whose, and where.

Kept in memory for one run, some 60 bytes a key. ``State`` knows nothing of files: the store loads
the live keys of a bucket when it is first touched, and gives the segment each version lies in.
"""

from __future__ import annotations

import secrets
from typing import Protocol

import numpy as np

from pipeline.columns import Int32
from pipeline.kernels import latest
from pipeline.keys import UInt64
from pipeline.merge import Known, Merged

NO_SEGMENT = -1


class State(Protocol):
    """The state a merge reads and changes. ``entries`` name keys within one state object."""

    def institution_code(self, institution: str) -> int:
        """The integer of an institution, the same for as long as the state lives."""

    def entries(self, keys: UInt64) -> Int32:
        """Entry of each key (n, 2); unknown keys get an entry that is not live."""

    def known(self, entries: Int32) -> Known:
        """The state of distinct entries."""

    def segments(self, entries: Int32) -> Int32:
        """Where the live version of each entry lies; ``NO_SEGMENT`` where there is none."""

    def apply(self, entries: Int32, merged: Merged, segments: Int32) -> None:
        """Take over what a merge of these distinct entries came to.

        ``segments`` is where the version of each now lies, looked at only where a record holds it.
        """

    def load(self, keys: UInt64, institution: Int32, visit_month: Int32, segment: int) -> None:
        """Make known live versions that lie in one segment."""


class MemoryState:
    """``State`` as an open-addressing table over dense columns."""

    def __init__(self) -> None:
        self._seed = np.uint64(secrets.randbits(64))
        self._count = 0
        self._slots = np.full(1 << 12, latest.NO_ENTRY, np.int32)
        self._keys = np.empty((1 << 11, 2), np.uint64)
        self._live = np.zeros(1 << 11, np.uint8)
        self._owner = np.zeros(1 << 11, np.int32)
        self._month = np.zeros(1 << 11, np.int32)
        self._segment = np.full(1 << 11, NO_SEGMENT, np.int32)
        self._institutions: dict[str, int] = {}

    def __len__(self) -> int:
        return self._count

    def institution_code(self, institution: str) -> int:
        return self._institutions.setdefault(institution, len(self._institutions))

    def entries(self, keys: UInt64) -> Int32:
        self._reserve(len(keys))
        out = np.empty(len(keys), np.int32)
        self._count = int(
            latest.find_or_add(self._slots, self._keys, self._count, keys, self._seed, out)
        )
        return out

    def known(self, entries: Int32) -> Known:
        return Known(self._live[entries], self._owner[entries], self._month[entries])

    def segments(self, entries: Int32) -> Int32:
        return self._segment[entries]

    def apply(self, entries: Int32, merged: Merged, segments: Int32) -> None:
        changed = merged.latest != latest.UNTOUCHED
        at = entries[changed]
        self._live[at] = merged.after.live[changed]
        self._owner[at] = merged.after.institution[changed]
        self._month[at] = merged.after.visit_month[changed]
        self._segment[at] = np.where(merged.latest[changed] >= 0, segments[changed], NO_SEGMENT)

    def load(self, keys: UInt64, institution: Int32, visit_month: Int32, segment: int) -> None:
        at = self.entries(keys)
        self._live[at] = 1
        self._owner[at] = institution
        self._month[at] = visit_month
        self._segment[at] = segment

    def _reserve(self, more: int) -> None:
        """Room for ``more`` new keys, with the slots at most half full."""
        room = len(self._live)
        if self._count + more <= room:
            return
        while room < self._count + more:
            room *= 2
        grow = room - len(self._live)
        self._live = np.concatenate([self._live, np.zeros(grow, np.uint8)])
        self._owner = np.concatenate([self._owner, np.zeros(grow, np.int32)])
        self._month = np.concatenate([self._month, np.zeros(grow, np.int32)])
        self._segment = np.concatenate([self._segment, np.full(grow, NO_SEGMENT, np.int32)])
        present = self._keys[: self._count]
        self._keys = np.empty((room, 2), np.uint64)
        self._slots = np.full(room * 2, latest.NO_ENTRY, np.int32)
        again = np.empty(len(present), np.int32)
        latest.find_or_add(self._slots, self._keys, 0, present, self._seed, again)
