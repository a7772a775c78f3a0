"""EDGE: the thread that settles what comes through the door, in order, and commits it.

It holds the store. Where the machine fails it lets go of the store and opens it anew after a pause,
each longer than the last; nothing is lost by that, since all that is not in the tables is in the
intake log. Meanwhile the door is shut.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Thread
from time import monotonic
from typing import Final, TypeVar

from pipeline.errors import kind_and_place
from pipeline.intake.door import Clock, Door, Room
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.sender import DoorClosedError, stopping, trouble
from pipeline.intake.sitting import BATCH_BYTES, BATCH_UPLOADS, Sitting, TaintedError, suspects
from pipeline.intake.waiting import Waiting, Waits
from pipeline.metrics import Backlog, Metrics
from pipeline.store.store import Store
from pipeline.traces import NOTHING_KNOWN

COMMIT_SECONDS: Final = 60.0
COMMIT_BYTES: Final = 256 << 20
COMMIT_UPLOADS: Final = 40_000
_FIRST_PAUSE: Final = 0.5
_LONGEST_PAUSE: Final = 60.0

T = TypeVar("T")
Opening = Callable[[ThreadPoolExecutor], AbstractContextManager[Sitting]]
"""Opens the store for a sitting whose commits the pool makes."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class SettlingHealth:
    """How settling is: ``alive`` unless it ended, ``fault`` why the store is not open now.

    ``waiting`` counts uploads that wait, ``oldest_seconds`` is the age of the one that has waited
    longest, ``failed`` counts those that wait for the next start since we failed on them,
    ``last_commit`` is that of this process, if it commits.
    """

    alive: bool
    waiting: int
    waiting_bytes: int
    oldest_seconds: float
    failed: int
    last_commit: datetime | None
    fault: str | None

    @property
    def backlog(self) -> Backlog:
        """What waits, as it is counted."""
        return Backlog(self.waiting, self.waiting_bytes, self.oldest_seconds)


class _ReopenError(Exception):
    """The store is to be opened anew."""


class Settling:
    """``ask`` and ``health`` are for any thread."""

    def __init__(
        self, opening: Opening, door: Door, waiting: Waiting, outcomes: Outcomes, metrics: Metrics,
        clock: Clock, commit_seconds: float = COMMIT_SECONDS,
    ) -> None:  # fmt: skip
        self._opening = opening
        self._door = door
        self._waiting = waiting
        self._outcomes = outcomes
        self._metrics = metrics
        self._clock = clock
        self._commit_seconds = commit_seconds
        self._asks: deque[Callable[[Sitting | None], None]] = deque()
        self._alone: set[str] = set()
        self._fault: str | None = None
        self._stopping = Event()
        self._started: Future[None] = Future()
        self._pause = _FIRST_PAUSE
        self._thread = Thread(target=self._run, name="settling", daemon=True)

    def start(self) -> None:
        """Open the store, then the door. Raises what opening the store raises."""
        self._thread.start()
        self._started.result()

    def stop(self) -> None:
        """Shut the door, settle and commit what waits, let go of the store."""
        self._door.close()
        self._stopping.set()
        self._waiting.wake()
        self._thread.join()

    def ask(self, question: Callable[[Store], T], *, reopens: bool = False) -> Future[T]:
        """Have something done on the open store, between batches, when all that was settled before
        is committed. What it stages is committed before the answer is there.

        ``reopens``: it stages nothing, and leaves a store that is to be opened anew.
        """
        answer: Future[T] = Future()

        def put(sitting: Sitting | None) -> None:
            if not answer.set_running_or_notify_cancel():
                return
            try:
                if sitting is None:
                    raise stopping()
                found = question(sitting.store)
                if not reopens:
                    sitting.commit()
            except BaseException as fault:
                answer.set_exception(fault)
                raise
            self._outcomes.forget_committed()
            answer.set_result(found)
            if reopens:
                raise _ReopenError

        self._asks.append(put)
        self._waiting.wake()
        if not self._thread.is_alive():
            self._turn_away()
        return answer

    def health(self) -> SettlingHealth:
        """How settling is now."""
        oldest = self._waiting.oldest
        age = (self._clock() - oldest.received_at).total_seconds() if oldest else 0.0
        return SettlingHealth(
            self._thread.is_alive(), self._waiting.count, self._waiting.bytes, max(0.0, age),
            self._outcomes.failures, self._metrics.last_commit, self._fault,
        )  # fmt: skip

    def _run(self) -> None:
        try:
            with ThreadPoolExecutor(1, thread_name_prefix="commit") as commits:
                while not self._sat_to_the_end(commits):
                    pass
        except BaseException as fault:
            self._fault = kind_and_place(fault)
            _log.critical("settling ended: %s", self._fault)
            if not self._started.done():
                self._started.set_exception(fault)
        finally:
            self._door.close()
            self._turn_away()

    def _sat_to_the_end(self, commits: ThreadPoolExecutor) -> bool:
        """One sitting; whether it was the last. Gives up on a store that can't be used only at the
        start and at the end: then what waits is settled at the next start."""
        began = monotonic()
        try:
            with self._opening(commits) as sitting:
                self._sit(sitting)
            return True
        except (_ReopenError, TaintedError):
            return False
        except Exception as fault:
            if not self._started.done():
                raise
            self._fault = kind_and_place(fault)
            _log.error("the store can't be used: %s", fault)
            if self._stopping.is_set():
                return True
        if monotonic() - began > _LONGEST_PAUSE:
            self._pause = _FIRST_PAUSE
        self._stopping.wait(self._pause)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        return False

    def _sit(self, sitting: Sitting) -> None:
        if self._started.done():
            known = (one.upload_id for one in sitting.log.failed())
            innocent = [one for one in known if not self._outcomes.has_failed(one)]
            sitting.log.mark_failed(innocent, failed=False)  # the store failed, not they
        else:
            sitting.log.begin_tries()
        waiting = sitting.unsettled()
        self._alone |= suspects(waiting)
        self._waiting.refill(waiting)
        self._outcomes.started(waiting, sitting.log.failed())
        self._fault = None
        self._door.open(Room(sitting.store.archive, sitting.log))
        if not self._started.done():
            self._started.set_result(None)
        try:
            while self._go_on(sitting):
                pass
        finally:
            self._door.shut(trouble)
            sitting.leave()

    def _go_on(self, sitting: Sitting) -> bool:
        """Settle the next batch, and whatever else is due; whether there is more to come."""
        waits = self._waiting.take(
            BATCH_BYTES, BATCH_UPLOADS, self._patience(sitting), alone=self._alone
        )
        if self._door.failure is not None:
            raise self._door.failure
        if waits:
            self._settle(sitting, waits)
        if sitting.has_ended:
            sitting.join()
        if self._asks:
            sitting.commit()
            self._answer(sitting)
        if self._is_due(sitting):
            sitting.begin_commit(self._waiting.wake)
        if self._stopping.is_set() and not waits and not self._waiting.count:
            sitting.commit()
            return False
        return True

    def _settle(self, sitting: Sitting, waits: list[Waits]) -> None:
        now = self._clock()
        for one in waits:
            waited = max(0, (now - one.taken.received_at).total_seconds())
            self._metrics.spent("wait", waited, {one.taken.upload_id: NOTHING_KNOWN})
        first = waits[0].taken.upload_id
        if first in self._alone:
            self._alone.discard(first)
            sitting.settle_apart(waits)
            return
        try:
            sitting.settle(waits)
        except TaintedError as tainted:
            self._alone |= tainted.upload_ids
            raise

    def _answer(self, sitting: Sitting) -> None:
        while self._asks:
            try:
                self._asks.popleft()(sitting)
            except Exception as fault:  # told to whoever asked; what it staged must go
                raise _ReopenError from fault

    def _turn_away(self) -> None:
        """Those who ask when nobody is there to answer."""
        while self._asks:
            try:
                self._asks.popleft()(None)
            except (DoorClosedError, IndexError):
                continue

    def _is_due(self, sitting: Sitting) -> bool:
        if sitting.uncommitted_bytes >= COMMIT_BYTES or sitting.uncommitted >= COMMIT_UPLOADS:
            if sitting.uncommitted_bytes >= 2 * COMMIT_BYTES:
                sitting.join()  # faster than the disk: memory has its bounds
            return True
        since = sitting.waits_since
        return since is not None and monotonic() - since >= self._commit_seconds

    def _patience(self, sitting: Sitting) -> float:
        """Seconds until something is due if nothing comes."""
        if self._asks or self._door.failure or self._stopping.is_set() or sitting.has_ended:
            return 0.0
        since = sitting.waits_since
        if since is None:
            return 60.0
        left = since + self._commit_seconds - monotonic()
        return min(60.0, max(left, 0.05))
