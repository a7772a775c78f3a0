"""The dispatcher: claims from ``intake``, in order, to their ways, with marks behind them.

One leader at a time, but correctness does not rest on it: a claim that is dispatched twice is known
by its sequence, and a mark says no more than what lies before it in its partition.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from pipeline.metrics import Metrics
from pipeline.stream.broker import Cluster, Reader, Received, Sender
from pipeline.stream.letters import DeadLetters
from pipeline.stream.messages import CLAIM, PoisonError, claim_of, pack
from pipeline.stream.parts import pack_mark
from pipeline.stream.progress import Progress
from pipeline.stream.topics import Stream
from pipeline.stream.twins import Twins

MOST: Final = 500  # claims between two marks
MOST_BYTES: Final = 32 << 20  # of their uploads: what lies between two marks is one message
WINDOW_BYTES: Final = 1 << 30
_WAIT_SECONDS: Final = 0.2
_APART_SECONDS: Final = 0.1  # between lots, since each is a step for every partition

_log = logging.getLogger(__name__)


class Ahead:
    """How far the dispatcher is ahead of the recorder, in uploads and in their bytes."""

    def __init__(self, most: int, most_bytes: int = WINDOW_BYTES) -> None:
        self._most, self._most_bytes = most, most_bytes
        self._sizes = deque[tuple[int, int]]()
        self._last = self._bytes = 0

    def add(self, sequence: int, size: int) -> None:
        """One is dispatched."""
        self._sizes.append((sequence, size))
        self._last = sequence
        self._bytes += size

    def too_far(self, through: int) -> bool:
        """Whether it is too far, all up to a sequence being recorded."""
        while self._sizes and self._sizes[0][0] <= through:
            self._bytes -= self._sizes.popleft()[1]
        return self._last - through > self._most or self._bytes > self._most_bytes


class Dispatcher:
    """Dispatches while it is the leader.

    ``window``: how many uploads it may be ahead of the recorder; that bounds what all others hold.
    ``recorded`` gives the sequence up to which the tables hold everything: that is not dispatched
    again, should the group have forgotten how far it was.
    """

    def __init__(
        self, cluster: Cluster, stream: Stream, metrics: Metrics,
        *, window: int, recorded: Callable[[], int], member: str | None = None,
    ) -> None:  # fmt: skip
        self._stream, self._metrics = stream, metrics
        metrics.leads("dispatch", False)
        self._last = stream.after
        self._window, self._ahead = window, Ahead(window)
        self._standing, self._recorded = recorded, stream.after
        self._waits = self._leads = False
        self._sender = Sender(cluster)
        self._letters = DeadLetters(self._sender, stream, metrics)
        self._progress = Progress(cluster, stream)
        self._twins = Twins(cluster, stream)
        self._reader = Reader(
            cluster, stream.topic("intake"), group=stream.topic("dispatch"), member=member,
            behind=metrics.lag, taken=self._take, lost=self._lose,
        )  # fmt: skip

    def run(self, going: Callable[[], bool]) -> None:
        """Dispatch until ``going`` says no. Raises ``BrokerError``."""
        with self._reader, self._progress:
            while going():
                self.turn()

    def turn(self) -> None:
        """Dispatch what is there, waiting shortly if nothing is. Raises ``BrokerError``.

        Step 1  claims to their ways
        Step 2  a mark behind them, on every way
        Step 3  once the cluster has all that, the group is told
        Step 4  others may come together meanwhile
        """
        self._keep_to_the_window()
        messages = self._reader.read(MOST, _WAIT_SECONDS)
        if messages:
            with self._metrics.stage("dispatch") as uploads:
                uploads |= self._dispatch(messages)
            self._metrics.dispatched(self._last)
            if len(messages) < MOST:
                time.sleep(_APART_SECONDS)

    def _dispatch(self, messages: Sequence[Received]) -> dict[str, dict[str, Any]]:
        """What messages claim to its ways; gives the claims, by upload id."""
        size, claims = 0, dict[str, dict[str, Any]]()
        for message in messages:
            self._last = self._stream.sequence_of(message.offset)
            try:
                claim = claim_of(message.value)
            except PoisonError as poison:
                self._letters.poison(message, poison)
                self._twins.passed(message.offset)
                continue
            first = self._twins.first(message.offset, claim)
            if first and not first.same:  # its sender was told that it isn't taken
                continue
            if self._last <= self._recorded:
                continue
            self._ahead.add(self._last, claim.size)
            size += claim.size
            repeats = (first.upload_id, self._stream.sequence_of(first.offset)) if first else None
            header = replace(claim, repeats=repeats).header() | {"sequence": self._last}
            self._send(self._stream.way_of(self._last), pack(CLAIM, header))
            claims[claim.upload_id] = header
            facts = {"upload_id": claim.upload_id, "sequence": self._last}
            _log.debug("dispatched", extra={"facts": facts})
            if size > MOST_BYTES:
                self._mark()
                size = 0
        self._mark()
        self._reader.done({0: messages[-1].offset + 1})
        return claims

    def _mark(self) -> None:
        """Marks behind what was sent, once the cluster has that: they must not be there alone."""
        self._sender.flush()
        for way in range(self._stream.ways):
            self._send(way, pack_mark(self._last, way))
        self._sender.flush()

    def _send(self, way: int, value: bytes) -> None:
        self._sender.send(self._stream.topic("uploads"), way, value)

    def _keep_to_the_window(self) -> None:
        waits = self._ahead.too_far(self._progress.through())
        if self._leads and waits != self._waits:
            (self._reader.pause if waits else self._reader.resume)([0])
            self._waits = waits

    def _take(self, numbers: Sequence[int]) -> Mapping[int, int]:
        self._metrics.leads("dispatch", True)
        self._leads, self._waits = True, False  # what is assigned anew is not paused
        self._ahead = Ahead(self._window)
        self._recorded = self._standing()
        return self._reader.kept(numbers, otherwise=self._stream.offset_behind(self._recorded))

    def _lose(self, _: object) -> None:
        self._metrics.leads("dispatch", False)
        self._leads = False
