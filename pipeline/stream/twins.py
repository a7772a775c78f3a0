"""Uploads that were sent before: which claims of ``intake`` repeat an earlier one.

Who dispatches must come to the same whoever it is, so this is a function of ``intake`` alone: a
claim repeats the first of the ``REACH`` claims before it that shares all of its id but the moment.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from pipeline.stream.broker import Cluster, Reader
from pipeline.stream.messages import Claim, PoisonError, claim_of
from pipeline.stream.topics import Stream

REACH: Final = 500_000
_MOST: Final = 10_000


class Twins:
    """Remembers the claims that were dispatched last, by offset."""

    def __init__(self, cluster: Cluster, stream: Stream, reach: int = REACH) -> None:
        self._cluster = cluster
        self._stream = stream
        self._reach = reach
        self._first: OrderedDict[str, tuple[int, str]] = OrderedDict()
        self._next: int | None = None

    def first(self, offset: int, claim: Claim) -> tuple[str, int] | None:
        """Id and sequence of the upload that a claim repeats, ``None`` if it is new. Claims in
        order of offsets."""
        if self._next != offset:
            self._read_back(offset)
        self._next = offset + 1
        return self._seen(offset, claim)

    def passed(self, offset: int) -> None:
        """An offset at which no claim could be read."""
        if self._next == offset:
            self._next = offset + 1

    def _seen(self, offset: int, claim: Claim) -> tuple[str, int] | None:
        while self._first:
            twin, (at, _) = next(iter(self._first.items()))
            if at >= offset - self._reach:
                break
            del self._first[twin]
        at, upload_id = self._first.setdefault(claim.twin, (offset, claim.upload_id))
        return None if at == offset else (upload_id, self._stream.sequence_of(at))

    def _read_back(self, offset: int) -> None:
        """What is before an offset, in the reach of the claims to come."""
        self._first.clear()
        start = max(0, offset - 2 * self._reach)
        with Reader(self._cluster, self._stream.topic("intake")) as reader:
            reader.start_at({0: start})
            at = start
            while at < offset:
                messages = reader.read(_MOST, 10.0)
                if not messages:
                    return  # older ones are no longer kept
                for message in messages:
                    at = message.offset
                    if at >= offset:
                        return
                    try:
                        self._seen(at, claim_of(message.value))
                    except PoisonError:
                        continue
                at += 1
