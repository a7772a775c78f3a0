"""PURE: what a merge came to, as the items that a state takes over."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from pipeline.merge.keys import (
    UInt64,
    ledger_keys,
    live_keys,
    moment_keys,
    moment_parts,
    months,
    new_rows,
)
from pipeline.merge.merge import Merged
from pipeline.merge.recall import Known, keys_of
from pipeline.merge.state import Items as Values
from pipeline.merge.state_items import OPEN, SLOT, VISIT, Items


class Remembered(NamedTuple):
    """The arguments of ``State.put``."""

    moments: Values
    ledger: Values
    live: dict[bytes, int]


def remember(before: Known, merged: Merged) -> Remembered:
    """What is to be put to the state that ``before`` was read from."""
    return Remembered(_moments(merged), _ledger(before, merged), _live(before, merged))


def _moments(merged: Merged) -> dict[bytes, bytes]:
    """The live visits of every person and second where something changed, in order of keys."""
    after = merged.after
    some = np.full(int(after.moment.max(initial=-1)) + 1, -1, np.int64)
    changed = np.flatnonzero(merged.changed)
    some[after.moment[changed]] = changed  # an entry of each moment that changed
    some = some[some >= 0]
    parts = moment_parts(after.keys[some])
    order = np.lexsort((parts[:, 1], parts[:, 0]))
    rank = np.full(len(after.moment), -1, np.int64)
    rank[after.moment[some[order]]] = np.arange(len(order))
    of_entry = rank[after.moment]
    live = np.flatnonzero((of_entry >= 0) & (after.live == 1))
    keys = after.keys[live]
    live = live[np.lexsort((keys[:, 1], keys[:, 0], of_entry[live]))]
    values = _by_row(after.entries[live], of_entry[live], len(order))
    return dict(zip(moment_keys(parts[order]), values, strict=True))


def _ledger(before: Known, merged: Merged) -> dict[bytes, bytes]:
    """The ledger of every prescription where something changed."""
    slots = merged.after.slots
    rows = np.flatnonzero(merged.touched)
    rows = rows[(slots[rows] != before.slots[rows]).any(axis=1)]
    row, place = np.nonzero(slots["status"][rows] != OPEN)
    values = _by_row(slots[rows[row], place], row, len(rows))
    return dict(zip(ledger_keys(before.prescriptions[rows]), values, strict=True))


def _by_row(items: Items, row: np.ndarray, rows: int) -> list[bytes]:
    """The bytes of each row's items; ``row`` ascending."""
    ends = np.searchsorted(row, np.arange(rows + 1)) * items.dtype.itemsize
    whole = items.tobytes()
    return [whole[a:b] for a, b in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)]


def _live(before: Known, merged: Merged) -> dict[bytes, int]:
    """Differences of the live visits, by institution and month."""
    counted = Counter[bytes]()
    for state, sign in ((before, -1), (merged.after, 1)):
        at = np.flatnonzero(merged.changed & (state.live == 1))
        visits = state.entries[at]
        for key in live_keys(visits["owner"], months(visits["day"])):
            counted[key] += sign
    return {key: difference for key, difference in counted.items() if difference}


def moments_of(items: Items) -> dict[bytes, bytes]:
    """Live visits as the state holds them: for a state that is made anew."""
    keys = keys_of(items)
    order = np.lexsort((keys[:, 1], keys[:, 0]))
    parts, values = _grouped(moment_parts(keys[order]), items[order].astype(VISIT))
    return dict(zip(moment_keys(parts), values, strict=True))


def ledger_of(prescriptions: np.ndarray, items: Items) -> dict[bytes, bytes]:
    """Ledger rows (``SLOT`` items, the key of each) as the state holds them."""
    order = np.lexsort((items["place"], prescriptions[:, 1], prescriptions[:, 0]))
    keys, values = _grouped(prescriptions[order], items[order].astype(SLOT))
    return dict(zip(ledger_keys(keys), values, strict=True))


def _grouped(keys: UInt64, items: Items) -> tuple[UInt64, list[bytes]]:
    """The distinct ones of sorted keys, and the bytes of the items of each."""
    new = new_rows(keys)
    return keys[new], _by_row(items, np.cumsum(new) - 1, int(new.sum()))
