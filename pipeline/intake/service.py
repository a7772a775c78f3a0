"""EDGE: the intake of a running service: its door, what became of uploads, and their settling."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

from pipeline.held import decide
from pipeline.intake.door import Clock, Door
from pipeline.intake.log import IntakeLog, intake_path
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.recovery import means_of
from pipeline.intake.settling import COMMIT_SECONDS, Settling
from pipeline.intake.sitting import Sitting
from pipeline.intake.waiting import Waiting
from pipeline.limits import Limits
from pipeline.metrics import Metrics
from pipeline.outcome import Decision
from pipeline.settings import Settings
from pipeline.store.archive import read_archived
from pipeline.store.layout import layout_of
from pipeline.store.store import WAIT_SECONDS, Store, open_store
from rules import load_plan
from rules.plan import Plan

_TURN_SECONDS: Final = 0.001


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Service:
    """What the web asks of a store that is open for uploads. ``plan`` is that of 2.0."""

    door: Door
    outcomes: Outcomes
    settling: Settling
    metrics: Metrics
    plan: Plan
    store_uri: str
    limits: Limits

    def exposition(self, accept: str = "") -> bytes:
        """The metrics as Prometheus reads them, in the form it accepts."""
        return self.metrics.exposition(self.settling.health().backlog, accept)

    def decide(self, upload_id: str, decision: Decision, by: str) -> str:
        """Release or drop a held upload, between two batches; gives the status it had before, which
        stays if that was not ``held``. Raises what ``pipeline.held.decide`` raises."""

        def decided(store: Store) -> str:
            before = decide(
                store, self.store_uri, [upload_id], decision, self.plan, by=by, limits=self.limits
            )
            return before[upload_id]

        return self.settling.ask(decided).result()

    def keep_in_shape(self) -> tuple[int, int]:
        """Compact and vacuum the tables now; what comes in meanwhile is settled afterwards. Gives
        how many files fewer there are, and how many were removed."""
        asked = self.settling.ask(lambda store: store.keep_in_shape(), reopens=True)
        return asked.result()


@contextmanager
def open_service(
    store_uri: str | Path,
    settings: Settings,
    *,
    commit_seconds: float = COMMIT_SECONDS,
    clock: Clock = _now,
    waiting: Waiting | None = None,
    wait_seconds: float = WAIT_SECONDS,
    tell: Callable[[str], None] | None = None,
) -> Iterator[Service]:
    """Open a store for uploads that come one by one; what an earlier service left is settled first.

    ``commit_seconds`` is how long an outcome may take to reach the tables, ``clock`` gives moments
    of receipt (aware), ``waiting`` bounds what may wait, ``tell`` gets messages for people. In the
    end the door is shut and everything settled and committed. Raises what ``open_store`` raises.
    """
    layout, plan, metrics = layout_of(store_uri), load_plan(), Metrics()
    metrics.watch_disk(layout.root)
    waiting = waiting or Waiting()
    outcomes = Outcomes(plan, settings.limits, partial(read_archived, layout.raw))

    @contextmanager
    def opening(commits: ThreadPoolExecutor) -> Iterator[Sitting]:
        with open_store(store_uri, wait_seconds=wait_seconds, waiting=tell) as store:
            means = means_of(store_uri, plan, utf8=settings.allow_utf8, limits=settings.limits)
            with closing(IntakeLog(intake_path(layout))) as log:
                yield Sitting(store, log, means, outcomes, metrics, commits)

    door = Door(waiting, outcomes, clock, plan.hash, metrics)
    settling = Settling(opening, door, waiting, outcomes, metrics, clock, commit_seconds)
    settling.start()
    with _short_turns():
        try:
            yield Service(door, outcomes, settling, metrics, plan, str(store_uri), settings.limits)
        finally:
            settling.stop()


@contextmanager
def _short_turns() -> Iterator[None]:
    """Settling is long stretches of Python, the door many short ones between syncs: at Python's
    usual turns of 5 ms a ticket took 47 ms beside 100 uploads a second, at these 8 ms."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)
