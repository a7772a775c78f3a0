"""What was taken in and waits to be settled, in order; with its bytes as long as memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from threading import Condition
from typing import Final

from pipeline.intake.taken import Taken

HELD_BYTES: Final = 128 << 20
MOST_BYTES: Final = 2 << 30
MOST_UPLOADS: Final = 100_000


@dataclass(frozen=True)
class Waits:
    """An upload that waits; where ``data`` is ``None`` its bytes are read from the archive."""

    taken: Taken
    data: bytes | None = None


class Waiting:
    """Any thread may add and look; one takes. ``held_bytes`` bounds the bytes kept in memory,
    ``most_bytes`` and ``most_uploads`` what may wait before the door stays shut."""

    def __init__(
        self, held_bytes: int = HELD_BYTES, most_bytes: int = MOST_BYTES,
        most_uploads: int = MOST_UPLOADS,
    ) -> None:  # fmt: skip
        self._most_held = held_bytes
        self._most_bytes = most_bytes
        self._most_uploads = most_uploads
        self._queue: deque[Waits] = deque()
        self._held = 0
        self._bytes = 0
        self._woken = False
        self._changed = Condition()

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self._queue)

    @property
    def bytes(self) -> int:
        """Plain bytes of those that wait."""
        return self._bytes

    @property
    def oldest(self) -> Taken | None:
        """The one that has waited longest."""
        with self._changed:
            return self._queue[0].taken if self._queue else None

    def has_room(self, size: int) -> bool:
        """Whether so many bytes more may wait."""
        within = self._bytes + size <= self._most_bytes or not self._queue
        return within and len(self._queue) < self._most_uploads

    def put(self, uploads: Iterable[Waits]) -> None:
        """Uploads that come after all that wait."""
        with self._changed:
            for one in uploads:
                size = len(one.data or b"")
                if self._held + size > self._most_held:
                    one, size = Waits(one.taken), 0
                self._queue.append(one)
                self._held += size
                self._bytes += one.taken.size
            self._changed.notify()

    def refill(self, uploads: Iterable[Taken]) -> None:
        """These, and nothing else, wait."""
        with self._changed:
            self._queue.clear()
            self._held = self._bytes = 0
        self.put(Waits(one) for one in uploads)

    def take(
        self, most_bytes: int, most_uploads: int, seconds: float, alone: Collection[str] = ()
    ) -> list[Waits]:
        """The next uploads, at least one where any waits; one whose id is in ``alone`` comes alone.

        Waits up to ``seconds`` for the first, or until woken; gives nothing then.
        """
        with self._changed:
            if not self._queue and not self._woken:
                self._changed.wait(seconds)
            self._woken = False
            taken, size = list[Waits](), 0
            while self._queue and len(taken) < most_uploads:
                one = self._queue[0]
                size += one.taken.size
                apart = one.taken.upload_id in alone
                if taken and (size > most_bytes or apart):
                    break
                taken.append(self._queue.popleft())
                self._held -= len(one.data or b"")
                self._bytes -= one.taken.size
                if apart:
                    break
            return taken

    def wake(self) -> None:
        """Let the one that takes look up, though nothing came."""
        with self._changed:
            self._woken = True
            self._changed.notify()
