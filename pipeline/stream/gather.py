"""PURE: streams that come by several ways → their items in sequence order, barrier by barrier.

Each way delivers items and, after all items up to some sequence, a mark with that sequence. A
sequence that every way has marked is a *barrier*: whatever is at or below it has come. Marks and
items may come again, late and doubled; what a way says at one sequence is always the same, so the
first time counts. Because barriers are those sequences that *all* ways marked, everybody who
gathers the same ways stops at the same barriers, however the ways raced each other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class Step(Generic[Item]):
    """What lies between two barriers: sequences above ``after``, up to ``through``.

    ``items`` are by (sequence, way), in that order.
    """

    after: int
    through: int
    items: tuple[tuple[int, int, Item], ...] = ()


@dataclass
class Gather(Generic[Item]):
    """Gathers from ``ways`` what comes above ``after``. Not for several threads."""

    ways: Collection[int]
    after: int
    _items: dict[tuple[int, int], Item] = field(default_factory=dict)
    _marks: dict[int, set[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._count = len(self.ways)

    @property
    def waiting(self) -> int:
        """Items that no barrier lets through yet."""
        return len(self._items)

    def add(self, way: int, sequence: int, item: Item) -> None:
        """An item of a way; what came before, or lies behind, is dropped."""
        if sequence > self.after:
            self._items.setdefault((sequence, way), item)

    def mark(self, way: int, through: int) -> None:
        """A way has delivered everything up to this sequence."""
        if through > self.after:
            self._marks.setdefault(through, set()).add(way)

    def steps(self) -> Iterator[Step[Item]]:
        """The steps up to every barrier that is reached, in order; each is given once.

        A mark that some ways lack is none once a later barrier is reached.
        """
        for through in sorted(self._marks):
            if len(self._marks[through]) == self._count:
                yield self._step(through)

    def _step(self, through: int) -> Step[Item]:
        keys = sorted(key for key in self._items if key[0] <= through)
        items = tuple((*key, self._items.pop(key)) for key in keys)
        step = Step(self.after, through, items)
        self.after = through
        for passed in [mark for mark in self._marks if mark <= through]:
            del self._marks[passed]
        return step
