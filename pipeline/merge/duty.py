"""PURE: which visits were uploaded for the first time later than the duty allows. They are taken.

A visit is to be uploaded within twenty-four hours of the card's time (document 000, article 10), an
emergency within one hour (document 001). A correction has no such duty, nor has a pre-check, so
only the merge, which knows what was there before, can tell.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch, Int32, Int64
from pipeline.core import Processed
from pipeline.kernels.ids import NO_DAY
from pipeline.merge.candidates import Candidates
from pipeline.merge.merge import MergePolicy
from pipeline.validate.validate import wall_seconds
from schemas.fields import fields

LATE: Final = "state/not-within-a-day"
LATE_EMERGENCY: Final = "state/emergency-not-within-an-hour"
_EMERGENCY: Final = int.from_bytes(b"04", "big")
_CLOCK: Final = np.array([36_000, 3_600, 600, 60, 10, 1])  # worth of the digits of HHMMSS


def late(
    processed: Processed, found: Candidates, first: npt.NDArray[np.bool_], policy: MergePolicy
) -> Int32:
    """The rule that each candidate breaks by being late, as an index of the plan's; -1 for none.

    ``first`` marks the candidates that were taken and are no corrections.
    """
    batch = processed.batch
    rule = np.full(len(found), -1, np.int32)
    one = np.flatnonzero(first & (found.visits["day"] != NO_DAY))
    row = found.row[one]
    received = np.array([wall_seconds(e) for e in processed.envelopes], np.int64)
    visited = _visit_seconds(batch, row, found.visits["day"][one])
    taken = received[found.upload[one]] - visited
    emergency = found.visits["type"][one] == _EMERGENCY
    allowed = np.where(emergency, policy.emergency_duty_seconds, policy.duty_seconds)
    by_id = processed.plan.by_id
    broken = np.where(emergency, by_id[LATE_EMERGENCY], by_id[LATE])
    over = taken > allowed
    rule[one[over]] = broken[over]
    return rule


def _visit_seconds(batch: Batch, row: Int64, day: Int32) -> Int64:
    """Seconds since 1970-01-01 of M11, Taipei clock; accepted records have 13 digits there."""
    clock = batch.visits.offset[fields()["M11"].index, row].astype(np.int64) + 7
    digits = batch.buffer[clock[:, None] + np.arange(len(_CLOCK))].astype(np.int64) - ord("0")
    seconds: Int64 = day.astype(np.int64) * 86_400 + digits @ _CLOCK
    return seconds
