"""The kernel of the merge: records in sequence order over the state they touch (docs/MERGE.md).

What they may not do is told by ``merge_faults``; here is what they do.
"""

from __future__ import annotations

from typing import Any

from numba import from_dtype, void

from pipeline.kernels.jit import (
    Int32,
    Int64,
    UInt8,
    UInt32,
    helper,
    i32,
    i64,
    kernel,
    scalar,
    u8,
    u32,
)  # fmt: skip
from pipeline.kernels.merge_faults import (
    CANCEL,
    COUNTS,
    DELETE,
    DISPENSES,
    GONE,
    ID_UNUSABLE,
    LOOK,
    NOT_OWN_DELETED,
    NOT_THERE,
    NOTHING_CANCELLED,
    NOTHING_OPEN,
    PUT,
    RECORD,
    by,
    delete_faults,
    kind_of_legs,
    put_faults,
)  # fmt: skip
from pipeline.merge.state_items import CANCELLED, DISPENSED, OPEN, SLOT, VISIT, Items

NOWHERE = -1  # the crowd of what is not live
_SECOND_REFILL = 1
_WITHOUT_EFFECT = (  # whatever the severity: a D, C or E has nothing to work on
    1 << NOT_THERE | 1 << NOT_OWN_DELETED | 1 << ID_UNUSABLE
    | 1 << NOTHING_OPEN | 1 << NOTHING_CANCELLED
)  # fmt: skip


@helper
def _clear(slots: Items, p: int, place: int) -> None:
    slot = slots[p, place]
    slot.status, slot.high, slot.low, slot.owner = OPEN, 0, 0, 0
    slot.sequence, slot.record = 0, 0


@helper
def _give_back(slots: Items, touched: UInt8, p: int, key: Any) -> None:
    """Everything this visit dispensed of a prescription is open again."""
    if p >= 0:
        touched[p] = 1
        for place in range(48):
            if by(slots[p, place], key):
                _clear(slots, p, place)


@helper
def _take(slots: Items, p: int, place: int, new: Any, status: int) -> bool:
    """Mark a refill that is open; says whether it was."""
    slot = slots[p, place]
    if slot.status != OPEN:
        return False
    slot.status, slot.owner, slot.sequence = status, new.owner, new.sequence
    if status == DISPENSED:
        slot.high, slot.low, slot.record = new.high, new.low, new.record
    return True


@helper
def _count(
    v: int, now: int, crowd_of: Int32, moment: Int32, at_moment: Int32, in_crowd: Int32
) -> None:
    """Count an entry where it is live now: in the crowd ``now``, in none for ``NOWHERE``."""
    before = crowd_of[v]
    if before != NOWHERE:
        in_crowd[before] -= 1
        at_moment[moment[v]] -= 1
    if now != NOWHERE:
        in_crowd[now] += 1
        at_moment[moment[v]] += 1
    crowd_of[v] = now


@helper
def _put(
    record: Any, new: Any, entries: Items, live: UInt8, source_of: Int32, slots: Items,
    touched: UInt8,
) -> None:  # fmt: skip
    """Make a record the live version of its key, and its refills dispensed."""
    v, p = record.entry, record.own
    if live[v]:
        _give_back(slots, touched, source_of[v], new)
    if p >= 0:
        touched[p] = 1
        for j in range(2):
            kind = kind_of_legs(j)
            for leg in range(int(new.times[kind]), 8):
                if slots[p, kind * 8 + leg].status == CANCELLED:
                    _clear(slots, p, kind * 8 + leg)
    entries[v] = new
    live[v] = 1
    source_of[v] = -1
    if not new.flags & COUNTS:
        return
    p = record.source if new.flags & DISPENSES else record.own
    source_of[v] = p
    if p < 0:
        return
    touched[p] = 1
    for j in range(2):
        for leg in range(8):
            if new.legs[j] >> leg & 1:
                _take(slots, p, kind_of_legs(j) * 8 + leg, new, DISPENSED)
    for kind in range(6):
        if new.flags & DISPENSES and new.kinds >> kind & 1:
            for place in range(8):
                if _take(slots, p, kind * 8 + place, new, DISPENSED):
                    break


@helper
def _delete(
    record: Any, new: Any, live: UInt8, source_of: Int32, slots: Items, touched: UInt8
) -> None:
    """The visit goes: its refills are open again, its own cancels forgotten."""
    v, p = record.entry, record.own
    _give_back(slots, touched, source_of[v], new)
    if p >= 0:
        touched[p] = 1
        for place in range(48):
            if slots[p, place].status == CANCELLED:
                _clear(slots, p, place)
    live[v], source_of[v] = 0, -1


@helper
def _cancel(record: Any, new: Any, entries: Items, slots: Items) -> bool:
    """Cancel every open refill from the second on; says whether there was one."""
    found = False
    for j in range(2):
        kind = kind_of_legs(j)
        for leg in range(_SECOND_REFILL, int(entries[record.entry].times[kind])):
            found |= _take(slots, record.own, kind * 8 + leg, new, CANCELLED)
    return found


@helper
def _uncancel(record: Any, slots: Items) -> bool:
    """Make every cancelled refill open again; says whether there was one."""
    found = False
    for place in range(48):
        if slots[record.own, place].status == CANCELLED:
            _clear(slots, record.own, place)
            found = True
    return found


@helper
def _take_away(
    record: Any, new: Any, entries: Items, live: UInt8, issuer: Int32, source_of: Int32,
    slots: Items, touched: UInt8, rejecting: int,
) -> int:  # fmt: skip
    """16 to 22, and what D, C and E do if nothing rejects them."""
    v, action = record.entry, record.action
    if action != DELETE and not record.normal:
        return 1 << ID_UNUSABLE
    if live[v] and entries[v].owner != new.owner:
        return 1 << NOT_OWN_DELETED
    refills = entries[v].times[2] > 1 or entries[v].times[5] > 1
    if not live[v] or (action != DELETE and not refills):
        return 1 << NOT_THERE
    broken = 0
    if action == DELETE:
        broken = delete_faults(record, new, entries, live, issuer, source_of, slots)
        if not broken & rejecting:
            _delete(record, new, live, source_of, slots, touched)
        return broken
    touched[record.own] = 1
    if action == CANCEL:
        return 0 if _cancel(record, new, entries, slots) else 1 << NOTHING_OPEN
    return 0 if _uncancel(record, slots) else 1 << NOTHING_CANCELLED


_items, _slots, _records = from_dtype(VISIT)[::1], from_dtype(SLOT)[:, ::1], from_dtype(RECORD)[::1]


@kernel(void(_records, _items, scalar, scalar, scalar, scalar, scalar, _items, u8, i32, i32, i32,
             i32, i32, i32, i32, _slots, u8, i32, u8, u8, i64, i32, u32))  # fmt: skip
def merge(
    records: Items, visits: Items, start: int, stop: int, window: int, rejecting: int, untold: int,
    entries: Items, live: UInt8, issuer: Int32, source_of: Int32, moment: Int32, crowd: Int32,
    crowd_of: Int32, at_moment: Int32, in_crowd: Int32, slots: Items, touched: UInt8,
    holder: Int32, done: UInt8, first: UInt8, standing: Int64, standing_record: Int32, out: UInt32,
) -> None:  # fmt: skip
    """Work through records in sequence order over the state they touch.

    Per record, from ``start`` to ``stop``: ``records`` and ``visits`` (what it would be as a live
    version). ``rejecting`` are the bits that reject, ``untold`` those that are neither told nor
    reject but leave a D, C or E without effect. Per entry, changed: ``entries``, ``live``,
    ``source_of`` (ledger row it holds refills of, or -1), ``holder`` (the record that is the live
    version now, ``UNTOUCHED`` or ``GONE``) and ``crowd_of``, its crowd: the live visits of a
    person at one second (``moment``) at one institution. ``crowd`` is that of each record,
    ``at_moment`` and ``in_crowd`` count them. Per ledger row: ``issuer`` (its entry), ``slots`` (48
    places) and ``touched``.
    Answers per record: ``done`` (it belongs in the history), ``first`` (a put of a key that was
    not live), ``standing``/``standing_record`` (the version that stands after a rejected put, -1
    for none) and ``out``, the bits of what is broken.
    """
    rejecting &= ~untold
    for i in range(start, stop):
        record, new = records[i], visits[i]
        v, broken = record.entry, 0
        done[i], first[i], standing[i], standing_record[i] = 0, 0, -1, -1
        out[i] = 0
        if record.action == PUT:
            first[i] = live[v] == 0
            broken = (
                put_faults(
                    record, new, at_moment[moment[v]] > in_crowd[crowd[i]], entries, live, issuer,
                    source_of, slots, window,
                )
                & ~untold
            )  # fmt: skip
            if not broken & rejecting:
                _put(record, new, entries, live, source_of, slots, touched)
                _count(v, crowd[i], crowd_of, moment, at_moment, in_crowd)
                done[i], holder[v] = 1, i
        elif record.action != LOOK:
            broken = _take_away(
                record, new, entries, live, issuer, source_of, slots, touched, rejecting
            )
            if not live[v]:
                _count(v, NOWHERE, crowd_of, moment, at_moment, in_crowd)
            if not broken & (rejecting | untold | _WITHOUT_EFFECT):
                done[i] = 1
                if record.action == DELETE:
                    holder[v] = GONE
            broken &= ~untold
        asked = record.action == LOOK or (record.action == PUT and not done[i])
        if asked and live[v] and entries[v].owner == new.owner and record.normal:
            standing[i], standing_record[i] = entries[v].sequence, entries[v].record
        out[i] = broken
