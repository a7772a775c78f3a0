"""PURE: (state, records in sequence order) → (new state, answers). docs/MERGE.md says what it does.

Sequence decides, never a clock; any way of cutting the same records into batches ends in the same
state. Nothing here reads or writes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32, Int64, UInt8
from pipeline.kernels import merge as kernels
from pipeline.kernels.merge_faults import DELETE, UNTOUCHED
from pipeline.merge.keys import Numbering, UInt32, months
from pipeline.merge.recall import Known
from pipeline.merge.state_items import Items

LiveVisits = Callable[[int, int], int]  # (institution, packed; month) -> live visits


@dataclass(frozen=True)
class MergePolicy:
    """What the regulation leaves to the operator.

    ``correction_months``: a visit may be corrected until the end of this many months after the
    month of the live version's visit date. ``duty_seconds``/``emergency_duty_seconds``: a visit
    is to be uploaded within this time of the card's (regulation, article 10; document 001). An
    upload that would delete more than ``held_above`` of an institution's live visits of a month,
    and ``held_share`` of them or more, is held.
    """

    correction_months: int = 1
    duty_seconds: int = 24 * 3600
    emergency_duty_seconds: int = 3600
    held_above: int = 20
    held_share: float = 0.3


@dataclass(frozen=True)
class Severities:
    """Bits of what rejects a record, and of what is neither told nor rejects (pre-check)."""

    rejecting: int
    untold: int = 0


@dataclass(frozen=True)
class Hold:
    """An upload that would delete too many: ``deletes`` of ``live`` visits of a month."""

    upload: int
    month: int
    deletes: int
    live: int


@dataclass(frozen=True)
class Merged:
    """The state after, and per record what came of it.

    ``holder`` per entry: the record that is the live version now, ``UNTOUCHED`` or ``GONE``.
    ``touched`` per ledger row: it may have changed. Per record: ``done`` (it belongs in the
    history), ``first`` (a put of a key that was not live), ``broken`` (bits), and the version that
    stands after a rejected correction: its sequence and record, -1 for none.
    """

    after: Known
    holder: Int32
    touched: UInt8
    done: UInt8
    first: UInt8
    broken: UInt32
    standing: Int64
    standing_record: Int32
    held: tuple[Hold, ...] = ()

    @property
    def changed(self) -> npt.NDArray[np.bool_]:
        """Entries that are not as before."""
        changed: npt.NDArray[np.bool_] = self.holder != UNTOUCHED
        return changed


@dataclass(frozen=True)
class Work:
    """Records in sequence order, row for row: ``records`` (``RECORD``), ``visits`` (``VISIT``, what
    they would be as live versions), ``upload`` (places, ascending)."""

    records: Items
    visits: Items
    upload: Int32


def merge(
    known: Known, work: Work, policy: MergePolicy, severities: Severities,
    live_visits: LiveVisits | None = None,
) -> Merged:  # fmt: skip
    """Work through records. ``live_visits`` gives an institution's live visits before all of them,
    by month; uploads that would delete too many are then held."""
    count = len(work.records)
    after = replace(
        known, entries=known.entries.copy(), live=known.live.copy(), slots=known.slots.copy(),
        source_of=known.source_of.copy(),
    )  # fmt: skip
    merged = Merged(
        after,
        holder=np.full(len(known.live), UNTOUCHED, np.int32),
        touched=np.zeros(len(known.issuer), np.uint8),
        done=np.zeros(count, np.uint8),
        first=np.zeros(count, np.uint8),
        broken=np.zeros(count, np.uint32),
        standing=np.full(count, -1, np.int64),
        standing_record=np.full(count, -1, np.int32),
    )
    crowds, held, at = _crowds(known, work), list[Hold](), 0
    if live_visits is not None:
        since = Counter[tuple[int, int]]()
        for start, stop in _large_deletes(work, policy):
            between = np.unique(work.records["entry"][at:start])
            since.subtract(_live(after, between))
            _run(work, at, start, policy, severities, merged, crowds)
            since.update(_live(after, between))
            hold = _hold(after, work, slice(start, stop), policy, live_visits, since)
            if hold:
                held.append(hold)
            at = stop if hold else start
    _run(work, at, count, policy, severities, merged, crowds)
    return replace(merged, held=tuple(held))


@dataclass(frozen=True)
class _Crowds:
    """How many live visits a person has at one second, in all and by institution (a crowd).

    ``of_record``, ``of_entry`` number the crowds, of what is not live none; ``at_moment`` and
    ``size`` count. Counts, since nothing bounds how many visits claim the same second.
    """

    of_record: Int32
    of_entry: Int32
    at_moment: Int32
    size: Int32


def _crowds(known: Known, work: Work) -> _Crowds:
    """Those before a merge; the kernel changes them."""
    live = known.live == 1
    at = np.concatenate([known.moment, known.moment[work.records["entry"]]])
    owner = np.concatenate([known.entries["owner"], work.visits["owner"]])
    pairs = np.column_stack([at.astype(np.uint64), owner])
    numbering = Numbering(len(pairs), pairs.tobytes())
    of_entry, of_record = np.split(numbering.numbers(pairs), [len(live)])
    moments = int(known.moment.max(initial=-1)) + 1
    return _Crowds(
        of_record,
        np.where(live, of_entry, kernels.NOWHERE).astype(np.int32),
        np.bincount(known.moment[live], minlength=moments).astype(np.int32),
        np.bincount(of_entry[live], minlength=len(numbering.keys)).astype(np.int32),
    )


def _run(
    work: Work, start: int, stop: int, policy: MergePolicy, severities: Severities,
    merged: Merged, crowds: _Crowds,
) -> None:  # fmt: skip
    after = merged.after
    kernels.merge(
        work.records, work.visits, start, stop, policy.correction_months, severities.rejecting,
        severities.untold, after.entries, after.live, after.issuer, after.source_of, after.moment,
        crowds.of_record, crowds.of_entry, crowds.at_moment, crowds.size, after.slots,
        merged.touched, merged.holder, merged.done, merged.first, merged.standing,
        merged.standing_record, merged.broken,
    )  # fmt: skip


def _large_deletes(work: Work, policy: MergePolicy) -> list[tuple[int, int]]:
    """The records, from and to, of every upload with more deletes than may go unseen."""
    deletes = np.bincount(work.upload[work.records["action"] == DELETE])
    large = np.flatnonzero(deletes > policy.held_above)
    bounds = np.searchsorted(work.upload, np.stack([large, large + 1]))
    return [(int(start), int(stop)) for start, stop in bounds.T]


def _hold(
    now: Known, work: Work, of: slice, policy: MergePolicy, live_visits: LiveVisits,
    since: Counter[tuple[int, int]],
) -> Hold | None:  # fmt: skip
    """Whether an upload is to be held. ``since``: how the live visits have changed since
    ``live_visits`` counted them."""
    owner, doomed = int(work.visits["owner"][of.start]), doomed_visits(now, work, of)

    def live(month: int) -> int:
        return live_visits(owner, month) + since[owner, month]

    too_many = too_many_deletes(doomed, live, policy)
    return Hold(int(work.upload[of.start]), *too_many) if too_many else None


def doomed_visits(now: Known, work: Work, of: slice) -> dict[int, int]:
    """How many live visits of its own sender some records of one upload would delete, by month."""
    records, owner = work.records[of], int(work.visits["owner"][of.start])
    named = np.unique(records["entry"][records["action"] == DELETE])
    return {m: count for (whose, m), count in _live(now, named).items() if whose == owner}


def too_many_deletes(
    doomed: Mapping[int, int], live: Callable[[int], int], policy: MergePolicy
) -> tuple[int, int, int] | None:
    """The first month of which too many visits would go, how many, and of how many; or none."""
    for month, deletes in sorted(doomed.items()):
        if deletes > policy.held_above and deletes >= policy.held_share * live(month):
            return month, deletes, live(month)
    return None


def _live(state: Known, entries: npt.NDArray[np.integer]) -> Counter[tuple[int, int]]:
    """How many of some entries are live visits, by institution and visit month."""
    visits = state.entries[entries[state.live[entries] == 1]]
    return Counter(zip(visits["owner"].tolist(), months(visits["day"]).tolist(), strict=True))
