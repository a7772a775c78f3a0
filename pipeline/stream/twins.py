"""Uploads that were sent before: which claims of ``intake`` repeat an earlier one.

Who dispatches must come to the same whoever it is, so this is a function of ``intake`` alone: a
claim repeats the first of the ``REACH`` claims before it that shares all of its id but the moment.
That one may repeat another in turn; the recorder tells of the upload that was taken.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from pipeline.stream.broker import Cluster, Reader
from pipeline.stream.messages import Claim, PoisonError, claim_of
from pipeline.stream.topics import Stream

REACH: Final = 500_000


class First(NamedTuple):
    """The claim that another repeats. ``same``: that one says the same; else it is taken by nobody,
    an Idempotency-Key having been used twice."""

    offset: int
    upload_id: str
    same: bool


class _Sent(NamedTuple):
    offset: int
    upload_id: str
    says: int
    again: int


class Recent:
    """PURE: the claims of the last ``reach`` offsets."""

    def __init__(self, reach: int) -> None:
        self._reach = reach
        self._order = deque[str]()
        self._by_twin: dict[str, tuple[_Sent, ...]] = {}

    def known(self, claim: Claim) -> First | None:
        """The first that a claim would repeat if it came next.

        What we failed on and is sent ``again`` repeats no earlier attempt; others repeat it.
        """
        here = self._by_twin.get(claim.twin, ())
        attempt = max((one.again for one in here), default=-1)
        first = next((one for one in here if one.again == attempt >= claim.again), None)
        if first is None:
            return None
        return First(first.offset, first.upload_id, first.says == hash(claim.says))

    def first(self, offset: int, claim: Claim) -> First | None:
        """The first that a claim repeats; claims in order of offsets."""
        self._forget(offset - self._reach)
        found = self.known(claim)
        if found is None or found.same:
            sent = _Sent(offset, claim.upload_id, hash(claim.says), claim.again)
            self._by_twin[claim.twin] = (*self._by_twin.get(claim.twin, ()), sent)
            self._order.append(claim.twin)
        return found

    def _forget(self, before: int) -> None:
        while self._order:
            here = self._by_twin[self._order[0]]
            if here[0].offset >= before:
                return
            twin = self._order.popleft()
            if len(here) > 1:
                self._by_twin[twin] = here[1:]
            else:
                del self._by_twin[twin]


class Twins:
    """The claims that were dispatched last, read back where somebody else did that."""

    def __init__(self, cluster: Cluster, stream: Stream, reach: int = REACH) -> None:
        self._cluster = cluster
        self._stream = stream
        self._reach = reach
        self._recent = Recent(reach)
        self._next: int | None = None

    def first(self, offset: int, claim: Claim) -> First | None:
        """What a claim repeats, ``None`` if it is new. Claims in order of offsets.

        Raises ``BrokerError``.
        """
        if self._next != offset:
            self._next = None
            self._recent = self._read_back(offset)
        self._next = offset + 1
        return self._recent.first(offset, claim)

    def passed(self, offset: int) -> None:
        """An offset at which no claim could be read."""
        if self._next == offset:
            self._next = offset + 1

    def _read_back(self, offset: int) -> Recent:
        """What is before an offset, in reach of it, as far as it is kept."""
        recent = Recent(self._reach)
        with Reader(self._cluster, self._stream.topic("intake")) as reader:
            low, _ = reader.bounds(0)
            for message in reader.span(0, max(low, offset - self._reach), offset):
                _note(recent, message.offset, message.value)
        return recent


def _note(recent: Recent, offset: int, value: bytes) -> None:
    try:
        recent.first(offset, claim_of(value))
    except PoisonError:
        return
