"""The ledger of a state from tables: who dispensed or cancelled each refill (docs/MERGE.md).

``prescriptions`` says what became of a refill, by the treatment id and sequence of a visit, but not
by which record, and a special code names no visit. The live visits say which refills each of them
wants, not which it got. Both are *claims* on a place of a prescription; matched, they are a slot.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
import numpy.typing as npt

from pipeline.kernels.ids import CODE_SHIFT, SPECIAL
from pipeline.keys import UInt64
from pipeline.state_items import CANCELLED, DISPENSED, KINDS, SLOT, Items
from pipeline.visit_items import REFILL_KINDS

CLAIM: Final = np.dtype(
    [
        ("high", "<u8"), ("low", "<u8"),  # the prescription
        ("name_high", "<u8"), ("name_low", "<u8"),  # the treatment id of the visit, as a key
        ("owner", "<u8"), ("sequence", "<i8"), ("record", "<i4"),
        ("by_high", "<u8"), ("by_low", "<u8"),  # the visit
        ("wanted", "u1"), ("place", "u1"),  # an ordinary kind wants any place: the first of it
        ("side", "u1"),
    ]
)  # fmt: skip
"""A claim on a place of a prescription's ledger."""

BY_VISIT, BY_CANCEL, DISPENSED_ROW, CANCELLED_ROW = 0, 1, 2, 3
"""Sides: a live visit's, a cancelling record's, or what a row of ``prescriptions`` has."""

_SPECIAL_CODE: Final = re.compile("SM0{18}|MISS0{16}|[A-Z][0-9]{3}0{16}|9{20}")

ANY_PLACE: Final = 255
CLAIM_ORDER: Final = ("high", "low", "side", "place", "record")
_MATCHED: Final = (
    "high", "low", "name_high", "name_low", "owner", "sequence", "wanted", "side", "place",
    "record",
)  # fmt: skip
_GROUPED: Final = _MATCHED[:7]


class UnmatchedLedgerError(ValueError):
    """A row of ``prescriptions`` names a record that isn't there."""


def special_name(text: str) -> int:
    """The low half of what names a visit with this special code; the high half is 0."""
    code = 0
    for letter in text[:4] if _SPECIAL_CODE.fullmatch(text) else "":
        code = code * 36 + int(letter, 36)
    return int(SPECIAL) | code << int(CODE_SHIFT)


def special_names(low: UInt64) -> UInt64:
    """The same of visits, by the low halves of their keys."""
    mask = SPECIAL | (SPECIAL - np.uint64(1)) >> CODE_SHIFT << CODE_SHIFT
    return low & mask


def claims_of(visits: Items) -> Items:
    """What live visits (``VISIT``) dispense, or hold of their own prescription: one row a place."""
    bits = [
        (visits["legs"][:, j] >> leg & 1, kind * 8 + leg, kind * 8 + leg)
        for j, kind in enumerate(REFILL_KINDS)
        for leg in range(8)
    ]
    bits += [(visits["kinds"] >> kind & 1, kind * 8, ANY_PLACE) for kind in range(KINDS)]
    parts = [_claims(visits[held == 1], wanted, place) for held, wanted, place in bits]
    return np.concatenate(parts)


def _claims(visits: Items, wanted: int, place: int) -> Items:
    claims = np.zeros(len(visits), CLAIM)
    foreign = (visits["original_high"] != 0) | (visits["original_low"] != 0)
    special = (visits["low"] & SPECIAL) != 0
    claims["high"] = np.where(foreign, visits["original_high"], visits["high"])
    claims["low"] = np.where(foreign, visits["original_low"], visits["low"])
    claims["name_high"] = np.where(special, 0, visits["high"])
    claims["name_low"] = np.where(special, special_names(visits["low"]), visits["low"])
    claims["by_high"], claims["by_low"] = visits["high"], visits["low"]
    for name in ("owner", "sequence", "record"):
        claims[name] = visits[name]
    claims["wanted"], claims["place"], claims["side"] = wanted, place, BY_VISIT
    return claims


def slots_of(claims: Items) -> tuple[Items, Items]:
    """The slots that the claims on some prescriptions come to, and the claim of each, by place.

    ``claims`` holds all of each of those prescriptions. Raises ``UnmatchedLedgerError``.
    """
    dispensed = _matched(claims, DISPENSED_ROW, BY_VISIT)
    cancelled = _matched(claims, CANCELLED_ROW, BY_CANCEL)
    rows = np.concatenate([row for row, _ in (dispensed, cancelled)])
    found = np.concatenate([claim for _, claim in (dispensed, cancelled)])
    slots = np.zeros(len(rows), SLOT)
    slots["place"] = rows["place"]
    slots["status"] = np.where(rows["side"] == DISPENSED_ROW, DISPENSED, CANCELLED)
    slots["high"], slots["low"] = found["by_high"], found["by_low"]
    for name in ("owner", "sequence", "record"):
        slots[name] = found[name]
    order = np.lexsort([rows["place"], rows["low"], rows["high"]])
    return slots[order], rows[order]


def _matched(claims: Items, row_side: int, claim_side: int) -> tuple[Items, Items]:
    """Rows of the ledger, and the claim that each of them is: in order where several could be."""
    both = claims[(claims["side"] == row_side) | (claims["side"] == claim_side)]
    both = both[np.lexsort([both[name] for name in reversed(_MATCHED)])]
    group = _numbered(both, _GROUPED)
    of_row = both["side"] == row_side
    rows, found = both[of_row], both[~of_row]
    row_at, found_at = (
        (group[side], _rank(group[side])) for side in (of_row, ~of_row)
    )  # fmt: skip
    if claim_side == BY_CANCEL:  # the last cancel of an upload is the one that holds
        return rows, _last_of(found, found_at[0], row_at[0])
    width = len(both) + 1
    return rows, _at(found, found_at[0] * width + found_at[1], row_at[0] * width + row_at[1])


def _last_of(found: Items, groups: npt.NDArray[np.int64], wanted: npt.NDArray[np.int64]) -> Items:
    last = np.flatnonzero(np.diff(groups, append=-1))
    return _at(found[last], groups[last], wanted)


def _at(found: Items, have: npt.NDArray[np.int64], want: npt.NDArray[np.int64]) -> Items:
    """The rows of ``found``, numbered by ``have`` in order, that ``want`` numbers."""
    at = np.searchsorted(have, want)
    missing = at == len(have)
    missing[~missing] = have[at[~missing]] != want[~missing]
    if missing.any():
        raise UnmatchedLedgerError(f"{int(missing.sum())} rows")
    return np.asarray(found[at])


def _numbered(rows: Items, by: tuple[str, ...]) -> npt.NDArray[np.int64]:
    """The number of each sorted row's group."""
    new = np.zeros(len(rows), np.bool_)
    for name in by:
        new[1:] |= rows[name][1:] != rows[name][:-1]
    return np.cumsum(new, dtype=np.int64)


def _rank(group: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The place of each row within its group, from 0."""
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    return np.arange(len(group)) - np.repeat(starts, np.diff(starts, append=len(group)))
