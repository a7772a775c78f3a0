"""Uploads that were sent before: which claims of ``intake`` repeat an earlier one.

Who dispatches must come to the same whoever it is, so this is a function of ``intake`` alone: a
claim repeats the first of the ``REACH`` claims before it that shares all of its id but the moment.
That one may repeat another in turn; the recorder tells of the upload that was taken.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

from pipeline.stream.broker import BrokerError, Cluster, Reader
from pipeline.stream.messages import Claim, PoisonError, claim_of
from pipeline.stream.topics import Stream

REACH: Final = 500_000
_MOST: Final = 10_000
_PATIENCE: Final = 30.0


class Recent:
    """PURE: the claims of the last ``reach`` offsets."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._order = deque[tuple[int, str]]()
        self._by_twin = defaultdict[str, deque[tuple[int, Claim]]](deque)

    def first(self, offset: int, claim: Claim) -> tuple[int, Claim] | None:
        """The first that a claim repeats, and its offset; claims in order of offsets.

        What we failed on and is sent ``again`` repeats no earlier attempt; others repeat it. One
        that says something else (an Idempotency-Key used twice) is taken by nobody.
        """
        while self._order and self._order[0][0] < offset - self._reach:
            at, twin = self._order.popleft()
            here = self._by_twin[twin]
            if here and here[0][0] == at:
                here.popleft()
            if not here:
                del self._by_twin[twin]
        here = self._by_twin[claim.twin]
        attempt = max((one.again for _, one in here), default=-1)
        first = next((one for one in here if one[1].again == attempt >= claim.again), None)
        if first is None or first[1].says == claim.says:
            here.append((offset, claim))
            self._order.append((offset, claim.twin))
        return first


class Twins:
    """The claims that were dispatched last, read back where somebody else did that."""

    def __init__(self, cluster: Cluster, stream: Stream, reach: int = REACH) -> None:
        self._cluster = cluster
        self._stream = stream
        self._reach = reach
        self._recent = Recent(reach)
        self._next: int | None = None

    def first(self, offset: int, claim: Claim) -> tuple[Claim, int] | None:
        """The claim that a claim repeats, and its sequence; ``None`` if it is new. Claims in order
        of offsets. Raises ``BrokerError``."""
        if self._next != offset:
            self._next = None
            self._recent = self._read_back(offset)
        self._next = offset + 1
        found = self._recent.first(offset, claim)
        return None if found is None else (found[1], self._stream.sequence_of(found[0]))

    def passed(self, offset: int) -> None:
        """An offset at which no claim could be read."""
        if self._next == offset:
            self._next = offset + 1

    def _read_back(self, offset: int) -> Recent:
        """What is before an offset, in reach of it, as far as it is kept."""
        recent = Recent(self._reach)
        with Reader(self._cluster, self._stream.topic("intake")) as reader:
            low, _ = reader.bounds(0)
            at = max(low, offset - self._reach)
            reader.start_at({0: at})
            while at < offset:
                messages = reader.read(_MOST, _PATIENCE)
                if not messages:
                    raise BrokerError(
                        "Kafka 未送回已收件的清單",
                        "Kafka does not give back the claims that were dispatched before",
                    )
                for message in messages:
                    at = message.offset + 1
                    if message.offset < offset:
                        _note(recent, message.offset, message.value)
        return recent


def _note(recent: Recent, offset: int, value: bytes) -> None:
    try:
        recent.first(offset, claim_of(value))
    except PoisonError:
        return
