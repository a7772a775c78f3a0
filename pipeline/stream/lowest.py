"""PURE: from where a partition must be read again, given how far its work is."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Lowest:
    """What was read of one partition and is not worked off: offsets with their sequences."""

    next: int = 0
    _unfinished: dict[int, int] = field(default_factory=dict)

    def read(self, offset: int, sequence: int) -> None:
        """A message about a sequence was read."""
        self.next = max(self.next, offset + 1)
        self._unfinished[offset] = sequence

    def finished(self, through: int) -> int:
        """Everything up to a sequence is worked off; gives the offset to read from again."""
        self._unfinished = {at: s for at, s in self._unfinished.items() if s > through}
        return min(self._unfinished, default=self.next)
