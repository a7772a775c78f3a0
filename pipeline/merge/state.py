"""What a merge must remember between batches, as bytes by key (docs/MERGE.md, "State").

Three maps, all small values under short keys, so that any ordered key-value store can hold them:

- *moments*: (second, person) → the live visits of that person at that second, ``VISIT`` items;
- *ledger*: prescription → what is dispensed or cancelled of it, ``SLOT`` items by place;
- *live*: (institution, visit month) → how many live visits.

The keys begin with the second of the visit, so that what is recent lies together. ``State`` knows
nothing of tables; ``pipeline.store.state_db`` keeps one on disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

Items = Mapping[bytes, bytes]  # an empty value takes the key away


class State(Protocol):
    """The three maps. Everything put can be read at once; ``save`` makes it last."""

    def moments(self, keys: Sequence[bytes]) -> list[bytes]:
        """``VISIT`` items of each moment, one after the other; empty where there are none."""

    def ledger(self, keys: Sequence[bytes]) -> list[bytes]:
        """``SLOT`` items of each prescription, by place; empty where there are none."""

    def live(self, keys: Sequence[bytes]) -> list[int]:
        """Live visits of each (institution, month)."""

    def put(self, moments: Items, ledger: Items, live: Mapping[bytes, int]) -> None:
        """Replace values; ``live`` holds differences."""


class MemoryState:
    """``State`` in dictionaries, for tests and small work."""

    def __init__(self) -> None:
        self._moments: dict[bytes, bytes] = {}
        self._ledger: dict[bytes, bytes] = {}
        self._live: dict[bytes, int] = {}

    def moments(self, keys: Sequence[bytes]) -> list[bytes]:
        return [self._moments.get(key, b"") for key in keys]

    def ledger(self, keys: Sequence[bytes]) -> list[bytes]:
        return [self._ledger.get(key, b"") for key in keys]

    def live(self, keys: Sequence[bytes]) -> list[int]:
        return [self._live.get(key, 0) for key in keys]

    def put(self, moments: Items, ledger: Items, live: Mapping[bytes, int]) -> None:
        _replace(self._moments, moments)
        _replace(self._ledger, ledger)
        for key, difference in live.items():
            self._live[key] = self._live.get(key, 0) + difference
            if not self._live[key]:
                del self._live[key]

    def contents(self) -> Iterable[tuple[str, bytes, bytes]]:
        """Everything, in order: name of the map, key, value."""
        yield from (("moments", *item) for item in sorted(self._moments.items()))
        yield from (("ledger", *item) for item in sorted(self._ledger.items()))
        counts = ((key, count.to_bytes(8, "little")) for key, count in self._live.items())
        yield from (("live", *item) for item in sorted(counts))


def _replace(kept: dict[bytes, bytes], items: Items) -> None:
    for key, value in items.items():
        if value:
            kept[key] = value
        else:
            kept.pop(key, None)
