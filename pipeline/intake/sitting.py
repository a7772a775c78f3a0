"""EDGE: uploads of the intake log, settled on one open store.

What is decided is told at once and committed later. Before anything that comes after it is told,
the log knows of an upload that we failed on, so that every restart takes the rest in the same
order and comes to the same outcomes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.batches import Checker, Intake
from pipeline.errors import PipelineError, StoreUnusableError, kind_and_place
from pipeline.ingest.unpack import Payload
from pipeline.intake.log import IntakeLog
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.taken import Taken
from pipeline.intake.waiting import Waits
from pipeline.merge.merge import MergePolicy
from pipeline.metrics import Metrics
from pipeline.settle import Settled, Settler
from pipeline.store.archive import read_archived
from pipeline.store.store import Store
from pipeline.traces import NOTHING_KNOWN
from rules.plan import Plan

BATCH_BYTES: Final = 32 << 20
BATCH_UPLOADS: Final = 500
TRIES_TOGETHER: Final = 3
"""Starts after which an upload that is still not settled is settled apart: it may be what ended the
process each time."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Means:
    """How uploads are judged and merged: ``plan`` is that of 2.0, ``raw`` the archive's folder."""

    checker: Checker
    plan: Plan
    policy: MergePolicy
    raw: Path


class TaintedError(Exception):
    """Settling failed on one of these uploads, by a fault of ours: the store is to be opened anew,
    and nothing of what it staged to be committed."""

    def __init__(self, upload_ids: frozenset[str]) -> None:
        super().__init__(f"settling {len(upload_ids)} uploads failed")
        self.upload_ids = upload_ids


def suspects(waiting: Iterable[Taken]) -> set[str]:
    """Ids of those that many starts found unsettled."""
    return {one.upload_id for one in waiting if one.tries > TRIES_TOGETHER}


class Sitting:
    """Settles on one open store, for one thread; ``commits`` makes the commits."""

    def __init__(
        self, store: Store, log: IntakeLog, means: Means, outcomes: Outcomes, metrics: Metrics,
        commits: Executor,
    ) -> None:  # fmt: skip
        self.store = store
        self.log = log
        self._means = means
        self._settler = Settler(store, means.plan, means.policy)
        self._outcomes = outcomes
        self._metrics = metrics
        self._commits = commits
        self._under_way: Future[None] | None = None
        self._last_number = log.mark
        self._last_received = log.last_received
        self._uncommitted: list[str] = []
        self.uncommitted_bytes = 0
        self.waits_since: float | None = None
        """Since when something waits to be committed, on the monotonic clock."""

    @property
    def uncommitted(self) -> int:
        """Uploads that are settled and in no commit yet."""
        return len(self._uncommitted)

    def unsettled(self) -> list[Taken]:
        """What the log has above its mark and the tables do not have, in order."""
        waiting, failed = self.log.unsettled(), self.log.failed()
        there = self._there([one.upload_id for one in waiting + failed])
        self.log.mark_failed(
            [one.upload_id for one in failed if one.upload_id in there], failed=False
        )
        waiting = [one for one in waiting if one.upload_id not in there]
        self._warn_of_other_plans(waiting)
        return waiting

    def _there(self, upload_ids: Sequence[str]) -> set[str]:
        """Those that the tables have."""
        if not upload_ids:
            return set()
        chosen = pc.field("upload_id").isin(pa.array(upload_ids, pa.string()))
        return set(self.store.read("uploads", chosen)["upload_id"].to_pylist())

    def settle(self, waits: Sequence[Waits]) -> None:
        """Check and merge uploads, tell what became of them, stage their rows.

        Raises ``TaintedError``, or ``PipelineError`` and ``OSError`` where the machine fails.
        """
        taken = {one.taken.upload_id: one.taken for one in waits}
        with self._metrics.stage("check") as uploads:
            uploads |= dict.fromkeys(taken, NOTHING_KNOWN)
            payloads = {one.taken.upload_id: self._payload(one) for one in waits}
            read = {key: payload for key, payload in payloads.items() if payload is not None}
            envelopes = [taken[key].envelope for key in read]
            intake = Intake([*read.values()], envelopes, [*read], archived=True)
            checked = self._means.checker.check(intake)
        self._outcomes.read(read.values())
        failed = [key for key, payload in payloads.items() if payload is None]
        failed += [intake.upload_ids[place] for place in checked.failed]
        for fault in checked.failed.values():
            _log.error("an upload can't be checked: %s", kind_and_place(fault))
        self.give_up(failed)
        try:
            with self._metrics.stage("merge") as uploads:
                settled = self._settler.settle(checked)
                uploads |= {str(row["upload_id"]): row for row in settled.rows}
        except (PipelineError, OSError):
            raise
        except Exception as fault:
            _log.error("settling %d uploads failed: %s", len(taken), kind_and_place(fault))
            raise TaintedError(frozenset(taken) - {*failed}) from fault
        self._count(settled, self._outcomes.settled(settled))
        self._last_number = max(one.number for one in taken.values())
        self._last_received = max(one.received_at for one in taken.values())
        self._uncommitted += taken
        self.uncommitted_bytes += intake.size
        self.waits_since = self.waits_since or time.monotonic()

    def settle_apart(self, waits: Sequence[Waits]) -> None:
        """``settle`` for uploads that an attempt failed on, or that may end the process: committed
        by themselves, and given up if they fail again, even if nobody is left to say so."""
        self.commit()
        ids = [one.taken.upload_id for one in waits]
        self.log.mark_failed(ids)
        try:
            self.settle(waits)
        except TaintedError as tainted:
            self.give_up(sorted(tainted.upload_ids))
            raise
        self.commit()
        settled = [one for one in ids if not self._outcomes.has_failed(one)]
        self.log.mark_failed(settled, failed=False)

    def give_up(self, upload_ids: Sequence[str]) -> None:
        """We failed on these: they are kept for the next start, and others go on."""
        if upload_ids:
            self.log.mark_failed(upload_ids)
            self._outcomes.failed(upload_ids)
            self._metrics.failed(len(upload_ids))

    def begin_commit(self, then: Callable[[], None]) -> bool:
        """Commit what is settled in the background, and call ``then`` when that ended; whether it
        could begin, since there is one at a time. Raises what the last one raised."""
        if self._under_way is not None and not self._under_way.done():
            return False
        self.join()
        finish = self.store.begin_commit()
        done = self._finisher(finish)
        if finish is not None:
            self._under_way = self._commits.submit(done)
            self._under_way.add_done_callback(lambda _: then())
        else:
            done()
        return True

    def join(self) -> None:
        """Wait for the commit under way. Raises what it raised."""
        if self._under_way is not None:
            under_way, self._under_way = self._under_way, None
            under_way.result()

    def leave(self) -> None:
        """Wait until the store may be closed, whatever becomes of the commit under way."""
        if self._under_way is not None:
            wait([self._under_way])

    @property
    def has_ended(self) -> bool:
        """Whether a commit was under way and has ended, well or not."""
        return self._under_way is not None and self._under_way.done()

    def commit(self) -> None:
        """Make all that is settled or staged durable, and wait for it."""
        self.join()
        self._finisher(self.store.begin_commit())()

    def _finisher(self, finish: Callable[[], int] | None) -> Callable[[], None]:
        """What commits, then says so to the log and to those who ask."""
        number, ids = self._last_number, tuple(self._uncommitted)
        received_at = self._last_received
        self._uncommitted, self.uncommitted_bytes, self.waits_since = [], 0, None

        def done() -> None:
            began = time.monotonic()
            if finish is not None:
                finish()
                self._metrics.committed(time.monotonic() - began, ids)
            if ids:
                self.log.mark_settled(number)
                self._outcomes.committed(ids)
                self.log.prune(received_at)

        return done

    def _payload(self, one: Waits) -> Payload | None:
        """The upload; ``None`` where its bytes are gone or damaged, which is our fault."""
        taken = one.taken
        data = one.data if taken.refusal is None else b""
        if data is None:
            try:
                data = read_archived(self._means.raw, taken.sha256)
            except (KeyError, StoreUnusableError) as lost:
                _log.error("the archive lost an upload: %s", kind_and_place(lost))
                return None
        return Payload(taken.sender.name, data, taken.sha256, taken.refusal)

    def _count(self, settled: Settled, new: Collection[str]) -> None:
        """What was told for the first time: settled again, it was counted already."""
        self._metrics.answered(row for row in settled.rows if row["upload_id"] in new)
        for part in settled.parts:
            if any(row["upload_id"] in new for row in part.rows):
                self._metrics.processed(part.processed)

    def _warn_of_other_plans(self, waiting: Sequence[Taken]) -> None:
        others = sum(one.plan != self._means.plan.hash for one in waiting)
        if others:
            _log.warning(
                "%d uploads were taken in under other rules and not committed: "
                "what was told of them may change",
                others,
            )
