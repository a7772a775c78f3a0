"""What is merged for itself: its current tables, and the state that goes with them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.merge.changes import Changes
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
        self._frozen: StateDb | None = None
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

    def freeze(self) -> None:
        """What was taken in goes with the commit that is now made; a state that is opened later
        has nothing of it."""
        self._frozen = self._state
        if self._frozen is not None:
            self._frozen.freeze()
        for group in self._groups.values():
            group.freeze()

    def write(self, batch: int) -> list[TableCommit]:
        """Write what was frozen; gives the commits of the tables."""
        return [commit for group in self._groups.values() for commit in group.write(batch)]

    def save(self, batch: int, sequence: int) -> None:
        """Make what was frozen of the state last, if it was open."""
        if self._frozen is not None:
            self._frozen.save(batch, sequence)

    def committed(self) -> None:
        """What was written is what the tables hold."""
        for group in self._groups.values():
            group.committed()

    def refuse(self) -> None:
        """A commit failed: nothing more can be put to the state."""
        if self._state is not None:
            self._state.refuse()

    def close(self) -> None:
        """Let go of the state; what was put and not saved is forgotten."""
        if self._state is not None:
            self._state.close()
