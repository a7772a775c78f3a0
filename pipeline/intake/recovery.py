"""EDGE: a store opened so that nothing waits: what a killed service took in comes first.

Whoever writes to a store by other ways than the door opens it here, or what they write would come
before uploads that were received, and perhaps told, earlier.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.batches import Checker, plans_of
from pipeline.errors import StoreUnusableError
from pipeline.intake.log import IntakeLog, intake_path
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.sitting import (
    BATCH_BYTES,
    BATCH_UPLOADS,
    Means,
    Sitting,
    TaintedError,
    suspects,
)
from pipeline.intake.waiting import Waiting
from pipeline.limits import LIMITS, Limits
from pipeline.merge.merge import MergePolicy
from pipeline.metrics import Metrics
from pipeline.reference.kept import read_snapshot
from pipeline.store.layout import layout_of
from pipeline.store.store import WAIT_SECONDS, Store, open_store
from rules.plan import Plan

Tell = Callable[[str], None]

_log = logging.getLogger(__name__)


def means_of(
    store_uri: str | Path, plan: Plan, *, utf8: bool = False, limits: Limits = LIMITS,
    policy: MergePolicy | None = None,
) -> Means:  # fmt: skip
    """How uploads of a store are judged and merged, by the reference tables it has now."""
    layout = layout_of(store_uri)
    checker = Checker(plans_of(plan), utf8=utf8, limits=limits, references=read_snapshot(layout))
    return Means(checker, plan, policy or MergePolicy(), layout.raw)


@contextmanager
def open_settled(
    store_uri: str | Path, plan: Plan, *, utf8: bool = False, limits: Limits = LIMITS,
    policy: MergePolicy | None = None, wait_seconds: float = WAIT_SECONDS,
    waiting: Tell | None = None,
) -> Iterator[Store]:  # fmt: skip
    """``open_store``, after settling and committing what a killed service took in.

    ``waiting`` gets messages for people. Raises what ``open_store`` raises.
    """
    alone: set[str] = set()
    while True:
        with open_store(store_uri, wait_seconds=wait_seconds, waiting=waiting) as store:
            path = intake_path(layout_of(store_uri))
            if path.exists():
                means = means_of(store_uri, plan, utf8=utf8, limits=limits, policy=policy)
                with closing(IntakeLog(path)) as log, ThreadPoolExecutor(1) as commits:
                    try:
                        settle_waiting(store, log, means, commits, alone, waiting)
                    except TaintedError as tainted:
                        alone |= tainted.upload_ids
                        continue
            yield store
            return


def settle_waiting(
    store: Store, log: IntakeLog, means: Means, commits: ThreadPoolExecutor, alone: set[str],
    tell: Tell | None = None,
) -> int:  # fmt: skip
    """Settle and commit what a log has and the tables don't; gives how many uploads.

    Those in ``alone`` are settled one by one; what we fail on then is kept for later. Raises
    ``TaintedError``: the store is to be opened anew for another attempt.
    """
    outcomes = Outcomes(means.plan, means.checker.limits, _not_asked)
    sitting = Sitting(store, log, means, outcomes, Metrics(), commits)
    if not alone:
        log.begin_tries()
    waits, queue = sitting.unsettled(), Waiting()
    alone = alone | suspects(waits)
    if waits and tell:
        tell(
            f"先處理服務中斷前收下的 {len(waits)} 個上傳 "
            f"first the {len(waits)} uploads that a service took in before it was cut short"
        )
    queue.refill(waits)
    while batch := queue.take(BATCH_BYTES, BATCH_UPLOADS, 0.0, alone):
        sitting.settle_apart(batch) if batch[0].taken.upload_id in alone else sitting.settle(batch)
    sitting.commit()
    return len(waits)


def _not_asked(digest: bytes) -> bytes:
    raise StoreUnusableError(digest.hex(), digest.hex())
