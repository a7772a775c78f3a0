"""EDGE: what the web asks of a stream: its door, what became of uploads, and how it is.

The same as ``pipeline.intake.service`` offers over a store of its own. The workers check, merge and
record; any number of web processes stand in front of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from threading import Semaphore
from typing import Any, Final

from pipeline.errors import StoreBusyError
from pipeline.intake.door import Clock
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.settling import SettlingHealth
from pipeline.metrics import Metrics
from pipeline.outcome import Decision
from pipeline.settings import Settings
from pipeline.store.layout import layout_of
from pipeline.store.raw import read_upload
from pipeline.stream.broker import Cluster
from pipeline.stream.decider import Decider
from pipeline.stream.door import StreamDoor
from pipeline.stream.following import Following
from pipeline.stream.objects import Objects
from pipeline.stream.process import Options, open_stream
from pipeline.upload_ids import is_upload_id, received_of
from rules import load_plan
from rules.plan import Plan

_NEW: Final = timedelta(seconds=60)
_CATCH_UP_SECONDS: Final = 2.0
_AT_ONCE: Final = 4


@dataclass(frozen=True)
class StreamService:
    """What the web asks of a stream. ``plan`` is that of 2.0."""

    door: StreamDoor
    outcomes: StreamOutcomes
    settling: Recording
    decider: Decider
    metrics: Metrics
    plan: Plan

    def exposition(self, accept: str = "") -> bytes:
        """The metrics as Prometheus reads them, in the form it accepts."""
        return self.metrics.exposition(self.settling.health().backlog, accept)

    def decide(self, upload_id: str, decision: Decision, by: str) -> str:
        """Release or drop a held upload; gives the status it had before, which stays if that was
        not ``held``. Raises what ``Decider.decide`` raises."""
        (before,) = self.decider.decide([upload_id], decision, by).values()
        return before

    def keep_in_shape(self) -> tuple[int, int]:
        """Raises ``StoreBusyError``: the recorder keeps the tables in shape."""
        raise StoreBusyError(
            "資料表由串流的 worker merge 維護",
            "The stream's worker merge keeps the tables in shape",
        )


class StreamOutcomes(Outcomes):
    """Knows of every upload that any process took in, as soon as somebody asks for it."""

    _follows: tuple[Following, Clock] | None = None

    def follow(self, following: Following, clock: Clock) -> None:
        """From now on ask whoever follows the stream, for what came lately by the clock."""
        self._follows = following, clock

    def waits(self, upload_id: str) -> dict[str, Any] | None:
        """What is known of an upload that is not decided."""
        if self._follows and self.state(upload_id) is None and is_upload_id(upload_id):
            following, clock = self._follows
            if abs(clock() - received_of(upload_id)) < _NEW:
                with _catching_up:
                    following.catch_up(_CATCH_UP_SECONDS)
        return super().waits(upload_id)


_catching_up: Final = Semaphore(_AT_ONCE)


class Recording:
    """How the workers are, as far as a web process can tell: commits are theirs."""

    def __init__(self, following: Following, outcomes: Outcomes, clock: Clock) -> None:
        self._following, self._outcomes, self._clock = following, outcomes, clock

    def health(self) -> SettlingHealth:
        """How it is now."""
        oldest, outcomes = self._outcomes.oldest_waiting, self._outcomes
        age = (self._clock() - oldest.received_at).total_seconds() if oldest else 0.0
        return SettlingHealth(
            self._following.alive, outcomes.count_waiting, outcomes.bytes_waiting, max(0.0, age),
            outcomes.failures, None, self._following.fault,
        )  # fmt: skip


@contextmanager
def open_stream_service(
    store_uri: str, settings: Settings, cluster: Cluster, *, clock: Clock, prefix: str = "nhi-"
) -> Iterator[StreamService]:
    """Stand in front of a stream. ``clock`` gives moments of receipt (aware).

    Raises ``BrokerError`` and ``StoreUnusableError``.
    """
    stream = open_stream(Options(cluster, store_uri, prefix=prefix))
    layout, plan, metrics = layout_of(store_uri), load_plan(), Metrics()
    if layout.disk is not None:
        metrics.watch_disk(layout.disk)
    outcomes = StreamOutcomes(plan, settings.limits, partial(read_upload, layout))
    following = Following(cluster, stream, layout, outcomes, metrics)
    door = StreamDoor(cluster, stream, Objects(layout), following, outcomes, clock, metrics)
    outcomes.follow(following, clock)
    following.start()
    try:
        yield StreamService(
            door, outcomes, Recording(following, outcomes, clock),
            Decider(cluster, stream, layout, clock), metrics, plan,
        )  # fmt: skip
    finally:
        door.close()
        following.stop()
