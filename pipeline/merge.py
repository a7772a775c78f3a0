"""PURE: (state of the touched keys, accepted records in sequence order) → what becomes of them.

Takes what is known of every key the records name, works through the records in order, and gives an
outcome per record and the state after. Sequence decides, never a clock; any way of cutting the
same records into batches ends in the same state. Nothing here reads or writes.

A, B (put): becomes the live version of its key, unless another institution holds that (D086) or
the live version's correction window is over (BH). D (delete): the key is gone; it must be live
and the institution's own (D001). C, E: noted, for such a visit only (D001).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.columns import Int32, Int64, UInt8
from pipeline.kernels import latest


@dataclass(frozen=True)
class MergePolicy:
    """What the regulation leaves to the operator.

    ``correction_months``: a visit may be corrected until the end of this many months after the
    month of the live version's visit date. ``duty_seconds``/``emergency_duty_seconds``: a visit
    is to be uploaded within this time of the card's (regulation, article 10; document 001).
    """

    correction_months: int = 1
    duty_seconds: int = 24 * 3600
    emergency_duty_seconds: int = 3600


@dataclass(frozen=True)
class Records:
    """What the merge looks at, one row a record, in sequence order (then record number).

    ``key`` is the row of its key in ``Known``; ``institution`` an integer per institution;
    ``visit_month``/``received_month`` year * 12 + month - 1 (``NO_MONTH`` where unknown).
    """

    key: Int64
    action: UInt8
    institution: Int32
    visit_month: Int32
    received_month: Int32


@dataclass(frozen=True)
class Known:
    """The state of distinct visit keys: whether live, whose, and the month of the visit."""

    live: UInt8
    institution: Int32
    visit_month: Int32


@dataclass(frozen=True)
class Merged:
    """``outcome`` (DONE, NOT_OWN, TOO_LATE, NOT_THERE) and ``first`` (a put of a key that was not
    live) per record; the rest per key.

    ``after`` is the new state; ``latest`` the record that now holds the key, ``UNTOUCHED``, or
    ``GONE``; ``removed`` says that the version live before is no longer the live one.
    """

    outcome: UInt8
    after: Known
    latest: Int32
    removed: UInt8
    first: UInt8


def merge(known: Known, records: Records, policy: MergePolicy) -> Merged:
    """Apply records to the state of their keys; last write wins."""
    live, owner, month = known.live.copy(), known.institution.copy(), known.visit_month.copy()
    newest = np.full(len(live), latest.UNTOUCHED, np.int32)
    outcome = np.empty(len(records.key), np.uint8)
    first = np.empty(len(records.key), np.uint8)
    latest.last_write_wins(
        records.key, records.action, records.institution, records.visit_month,
        records.received_month, policy.correction_months,
        live, owner, month, newest, first, outcome,
    )  # fmt: skip
    removed = ((known.live == 1) & (newest != latest.UNTOUCHED)).astype(np.uint8)
    return Merged(outcome, Known(live, owner, month), newest, removed, first)
