"""PURE: streams that come by several ways → their items in sequence order, barrier by barrier.

Each way delivers items and, after all items up to some sequence, a mark with that sequence. A
sequence that every way has marked is a *barrier*: whatever is at or below it has come. Marks and
items may come again, late and doubled; what a way says at one sequence is always the same, so the
first time counts. A barrier is reached with the message that completes it, and what lies behind it
is no barrier any more: so the barriers follow from the order of the messages alone, not from how
many of them are read together, and who begins again at a barrier comes to the same ones.
"""

from __future__ import annotations

from collections import deque
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
    _reached: deque[int] = field(default_factory=deque)

    def __post_init__(self) -> None:
        self._count = len(self.ways)
        self._last = self.after

    @property
    def waiting(self) -> int:
        """Items that no barrier lets through yet."""
        return len(self._items)

    def add(self, way: int, sequence: int, item: Item) -> None:
        """An item of a way; what came before, or lies behind, is dropped."""
        if sequence > self._last:
            self._items.setdefault((sequence, way), item)

    def mark(self, way: int, through: int) -> None:
        """A way has delivered everything up to this sequence."""
        if through <= self._last:
            return
        marked = self._marks.setdefault(through, set())
        marked.add(way)
        if len(marked) == self._count:
            self._last = through
            self._reached.append(through)
            for passed in [mark for mark in self._marks if mark <= through]:
                del self._marks[passed]

    def steps(self) -> Iterator[Step[Item]]:
        """The steps up to every barrier that is reached, in order; each is given once."""
        while self._reached:
            yield self._step(self._reached.popleft())

    def _step(self, through: int) -> Step[Item]:
        keys = sorted(key for key in self._items if key[0] <= through)
        items = tuple((*key, self._items.pop(key)) for key in keys)
        step = Step(self.after, through, items)
        self.after = through
        return step
