"""What is merged for itself: its current tables, and the state that goes with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.changes import Changes
from pipeline.store.committer import Committer
from pipeline.store.current import CurrentTables
from pipeline.store.delta import ALL_TABLES, TableCommit
from pipeline.store.state_db import StateDb
from schemas.tables import PREFIXES, Track

HISTORY: Final = "history"


class TrackTables:
    """The current tables of one track and its state, which is opened when it is first asked for."""

    def __init__(
        self, committer: Committer, track: Track, open_state: Callable[[], StateDb]
    ) -> None:
        prefix = PREFIXES[track]
        self.history = prefix + HISTORY
        self._names = {name for name in ALL_TABLES if name.startswith(prefix)}
        self._open_state = open_state
        self._state: StateDb | None = None
        self._groups = {
            key: CurrentTables(committer.layout, committer.tables, names, key)
            for key, names in (
                ("visit_key", (prefix + "visits", prefix + "orders")),
                ("prescription_id", (prefix + "prescriptions",)),
            )
            if self._names.issuperset(names)
        }

    @property
    def state(self) -> StateDb:
        """What the merge knows of this track."""
        if self._state is None:
            self._state = self._open_state()
        return self._state

    @property
    def has_history(self) -> bool:
        """Whether every accepted record of it is written down."""
        return self.history in self._names

    def apply(self, visits: Changes, ledger: Changes) -> None:
        """Take in what happens to visits (with orders) and to prescriptions."""
        for key, changes in (("visit_key", visits), ("prescription_id", ledger)):
            if key in self._groups:
                self._groups[key].apply(changes)

    def write(self, batch: int) -> list[TableCommit]:
        """Write what waits; gives the commits of the tables."""
        return [commit for group in self._groups.values() for commit in group.write(batch)]

    def save(self, batch: int, sequence: int) -> None:
        """Make what was put to the state last, if it was opened."""
        if self._state is not None:
            self._state.save(batch, sequence)

    def close(self) -> None:
        """Let go of the state; what was put and not saved is forgotten."""
        if self._state is not None:
            self._state.close()
