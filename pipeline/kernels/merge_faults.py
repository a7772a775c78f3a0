"""What the merge kernel looks for: which records break which rules (docs/MERGE.md).

Numbers in docstrings are the rows of that page's tables. Nothing here changes anything.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from pipeline.kernels.ids import NO_DAY
from pipeline.kernels.jit import Int32, UInt8, helper
from pipeline.merge.state_items import CANCELLED, DISPENSED, Items

# Actions of a record; LOOK only asks what stands.
PUT, DELETE, CANCEL, UNCANCEL, LOOK = 0, 1, 2, 3, 4
UNTOUCHED, GONE = -1, -2  # values of ``holder`` that are not a record

# Flags of a visit, and its types as two bytes.
COUNTS, DISPENSES, ORIGIN, CLEARS_UP = 1, 2, 4, 8

# What can be broken: bits of a record's answer.
(
    NOT_OWN, TOO_LATE, SAME_SECOND, ELSEWHERE_UNKNOWN, HERE_UNKNOWN, ELSEWHERE_TYPE, HERE_TYPE,
    OTHER_SEQUENCE, OTHER_DAY_OR_DOCTOR, UNKNOWN_C, UNKNOWN_F, LEG_CANCELLED, LEG_ELSEWHERE,
    ORDER_C, ORDER_F, TAKEN_BACK_C, TAKEN_BACK_F, TOO_OFTEN, NOT_THERE, NOT_OWN_DELETED,
    ID_UNUSABLE, PRESCRIPTION_MOVED_ON, DISPENSING_MOVED_ON, NOTHING_OPEN, NOTHING_CANCELLED,
) = range(25)  # fmt: skip

RECORD: Final = np.dtype(
    [
        ("entry", "<i4"), ("original", "<i4"),  # of its key; of M16, -1 where there is none
        ("own", "<i4"), ("source", "<i4"),  # ledger rows of its key and of M16, -1 for none needed
        ("month", "<i4"),  # of receipt
        ("original_owner", "<u8"), ("original_number", "<u4"),  # M17, M18
        ("action", "u1"), ("normal", "u1"),  # normal: its key is a treatment id
    ]
)  # fmt: skip
"""What the merge looks at of a record besides its ``VISIT``."""


@helper
def _month(day: int) -> int:
    """year * 12 + month - 1 of days since 1970-01-01 (civil from days)."""
    z = day + 719468
    era = z // 146097
    of_era = z - era * 146097
    year = (of_era - of_era // 1460 + of_era // 36524 - of_era // 146096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return (year + era * 400 + (1 if month <= 2 else 0)) * 12 + month - 1


@helper
def kind_of_legs(j: int) -> int:
    """The refill kind of M33 (0) or M34 (1)."""
    return 2 if j == 0 else 5


@helper
def by(slot: Any, key: Any) -> bool:
    """Whether this visit dispensed the refill."""
    return bool(slot.status == DISPENSED and slot.high == key.high and slot.low == key.low)


@helper
def _dispensed_by_others(slots: Items, p: int, kind: int, key: Any) -> int:
    """The refills of a kind that other visits dispensed, as bits."""
    found = 0
    for leg in range(8):
        slot = slots[p, kind * 8 + leg]
        if slot.status == DISPENSED and not by(slot, key):
            found |= 1 << leg
    return found


@helper
def _held(slots: Items, p: int, kind: int, key: Any) -> int:
    """The refills of a kind that this visit dispensed, as bits."""
    found = 0
    for leg in range(8):
        if by(slots[p, kind * 8 + leg], key):
            found |= 1 << leg
    return found


@helper
def _without_gap(legs: int) -> bool:
    return (legs & (legs + 1)) == 0


@helper
def _original_faults(record: Any, new: Any, entries: Items, live: UInt8) -> int:
    """4 to 9: what M16, M17 and M18 say of the original visit."""
    o = record.original
    if o < 0 or record.original_owner == 0:
        return 0
    here = record.original_owner == new.owner
    original = entries[o]
    if o == record.entry or not live[o] or original.owner != record.original_owner:
        return 1 << (HERE_UNKNOWN if here else ELSEWHERE_UNKNOWN)
    broken = 0
    if not original.flags & ORIGIN:
        broken |= 1 << (HERE_TYPE if here else ELSEWHERE_TYPE)
    if record.original_number != 0 and record.original_number != original.number:
        broken |= 1 << OTHER_SEQUENCE
    if new.flags & CLEARS_UP and (original.day != new.day or original.doctor != new.doctor):
        broken |= 1 << OTHER_DAY_OR_DOCTOR
    return broken


@helper
def _refill_faults(
    record: Any, new: Any, entries: Items, live: UInt8, issuer: Int32, source_of: Int32,
    slots: Items, j: int,
) -> int:  # fmt: skip
    """10 to 13 for one refill kind: the refills of this record, and of its earlier version."""
    v, kind, legs = record.entry, kind_of_legs(j), int(new.legs[j])
    dispenses = new.flags & DISPENSES != 0
    p = record.source if dispenses else record.own
    broken, gap = 0, 1 << (ORDER_C + j)
    before = source_of[v] if live[v] else -1
    if before >= 0 and before != p and _held(slots, before, kind, new):
        others = _dispensed_by_others(slots, before, kind, new)
        if live[issuer[before]] and not _without_gap(others):
            broken |= gap
    if p < 0:
        return broken
    known = not dispenses or (live[issuer[p]] == 1 and issuer[p] != v)
    times = int(entries[issuer[p]].times[kind]) if dispenses else int(new.times[kind])
    faulty = 0
    for leg in range(8):
        if legs >> leg & 1:
            slot = slots[p, kind * 8 + leg]
            if not known or leg >= times:
                faulty |= 1 << (UNKNOWN_C + j)
            if slot.status == CANCELLED:
                faulty |= 1 << LEG_CANCELLED
            elif slot.status == DISPENSED and not by(slot, new):
                if slot.owner != new.owner:
                    faulty |= 1 << LEG_ELSEWHERE
                else:
                    broken |= gap
    taken_back = before == p and _held(slots, p, kind, new) & ~legs != 0
    looked_at = known and not faulty and ((dispenses and legs != 0) or taken_back)
    if looked_at and not _without_gap(_dispensed_by_others(slots, p, kind, new) | legs):
        broken |= gap
    return broken | faulty


@helper
def _count_faults(
    record: Any, new: Any, entries: Items, live: UInt8, issuer: Int32, slots: Items
) -> int:
    """14 and 15: refills taken back by a lower count, ordinary kinds dispensed too often."""
    broken, v = 0, record.entry
    if live[v] and record.own >= 0:
        for j in range(2):
            kind = kind_of_legs(j)
            lost = _dispensed_by_others(slots, record.own, kind, new)
            lost &= (1 << int(entries[v].times[kind])) - 1
            if lost >> int(new.times[kind]):
                broken |= 1 << (TAKEN_BACK_C + j)
    p = record.source
    if new.flags & DISPENSES and p >= 0:
        for kind in range(6):
            if new.kinds >> kind & 1:
                issued = live[issuer[p]] == 1 and issuer[p] != v
                allowed = int(entries[issuer[p]].times[kind]) if issued else 1
                others = 0
                for place in range(8):
                    slot = slots[p, kind * 8 + place]
                    others += slot.status == DISPENSED and not by(slot, new)
                if others + 1 > allowed:
                    broken |= 1 << TOO_OFTEN
    return broken


@helper
def put_faults(
    record: Any, new: Any, elsewhere: bool, entries: Items, live: UInt8, issuer: Int32,
    source_of: Int32, slots: Items, window: int,
) -> int:  # fmt: skip
    """1 to 15. ``elsewhere``: another institution has the person at the same second."""
    v = record.entry
    if live[v] and entries[v].owner != new.owner:
        return 1 << NOT_OWN
    dated = live[v] == 1 and entries[v].day != NO_DAY
    if dated and record.month > _month(entries[v].day) + window:
        return 1 << TOO_LATE
    if not new.flags & COUNTS:
        return 0
    broken = 1 << SAME_SECOND if elsewhere else 0
    broken |= _original_faults(record, new, entries, live)
    for j in range(2):
        broken |= _refill_faults(record, new, entries, live, issuer, source_of, slots, j)
    return broken | _count_faults(record, new, entries, live, issuer, slots)


@helper
def delete_faults(
    record: Any, new: Any, entries: Items, live: UInt8, issuer: Int32, source_of: Int32,
    slots: Items,
) -> int:  # fmt: skip
    """19 and 20: others have dispensed the prescription, or gone on from the dispensing."""
    broken, p = 0, record.own
    if p >= 0:
        for place in range(48):
            slot = slots[p, place]
            if slot.status == DISPENSED and slot.owner != new.owner:
                broken |= 1 << PRESCRIPTION_MOVED_ON
    p = source_of[record.entry]
    if p < 0 or not entries[record.entry].flags & DISPENSES:
        return broken
    own = live[issuer[p]] == 1 and entries[issuer[p]].owner == new.owner
    for j in range(2):
        kind, mine = kind_of_legs(j), False
        for leg in range(8):
            slot = slots[p, kind * 8 + leg]
            if by(slot, new):
                mine = True
            elif mine and (
                (slot.status == DISPENSED and slot.owner != new.owner)
                or (slot.status == CANCELLED and not own)
            ):
                broken |= 1 << DISPENSING_MOVED_ON
    return broken
