"""What was put to a state and is not in its file yet: by map, the values of some keys.

It lies in two layers: what a save under way writes was frozen and is changed no more, what is put
meanwhile lies above. One thread puts, freezes and reads; another may save what was frozen. An empty
value hides what the file has under its key.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from heapq import merge
from operator import itemgetter

Values = dict[bytes, bytes]


class Overlay:
    """The two layers of each of the maps ``names``."""

    def __init__(self, names: Collection[str]) -> None:
        self._names = tuple(names)
        self._waiting = self._nothing()
        self._frozen: dict[str, Values] | None = None

    @property
    def frozen(self) -> dict[str, Values] | None:
        """What is to be saved, by map; ``None`` if nothing was frozen since the last save."""
        return self._frozen

    def put(self, name: str, items: Mapping[bytes, bytes]) -> None:
        """Values that stand above those there were."""
        self._waiting[name].update(items)

    def freeze(self) -> dict[str, Values]:
        """Everything put goes with the save that is now made; gives it. Raises ``RuntimeError``
        before the last save is done."""
        if self._frozen is not None:
            raise RuntimeError("what was frozen is not saved yet")
        self._frozen, self._waiting = self._waiting, self._nothing()
        return self._frozen

    def saved(self) -> None:
        """What was frozen is in the file."""
        self._frozen = None

    def forget(self) -> None:
        """Drop what was put and not frozen."""
        self._waiting = self._nothing()

    def find(self, name: str, keys: set[bytes]) -> Values:
        """The values of those keys that are here.

        To be asked before the file is: what has left by then is in the file.
        """
        found = Values()
        for layer in self._layers():
            here = layer[name].keys() & keys
            found.update({key: layer[name][key] for key in here if key not in found})
        return found

    def over(
        self, name: str, saved: Iterator[tuple[bytes, bytes]]
    ) -> Iterator[tuple[bytes, bytes]]:
        """What a map holds in all, in order; ``saved`` is what the file has, in order."""
        layers = self._layers()
        above = {key: value for layer in reversed(layers) for key, value in layer[name].items()}
        if not above:
            return saved
        left = (item for item in saved if item[0] not in above)
        put = sorted(item for item in above.items() if item[1])
        return merge(left, put, key=itemgetter(0))

    def _layers(self) -> list[dict[str, Values]]:
        """The upper one first."""
        frozen = self._frozen
        return [self._waiting] if frozen is None else [self._waiting, frozen]

    def _nothing(self) -> dict[str, Values]:
        return {name: {} for name in self._names}
