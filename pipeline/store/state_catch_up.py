"""Bringing a state that is behind the tables to where they are, by what later uploads changed."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.kernels.ids import CODE_SHIFT, NO_DAY, SPECIAL
from pipeline.merge.keys import KEY_FIELDS, UInt64, code_keys, columns_of_table, pack_text
from pipeline.merge.recall import issues, keys_of, sources
from pipeline.merge.remember import ledger_of, moments_of
from pipeline.merge.state_items import VISIT, Items
from pipeline.store.state_db import StateDb
from pipeline.store.state_pairs import bare, counted, items_of, moments, names
from pipeline.store.state_rows import SpecialDelete, StateRows

_SECONDS_A_YEAR: Final = 34**5  # of a key: more than there are
_FIRST_YEAR, _YEARS = 2013, 34
_SECOND_SHIFT: Final = 33


def catch_up(state: StateDb, rows: StateRows) -> None:
    """Put into the state what uploads after its marker changed; nothing is saved yet.

    Raises ``UnmatchedLedgerError`` where the tables contradict each other.
    """
    after = state.marker.sequence
    gone, touched, special = rows.named(after)
    new = np.concatenate([np.empty(0, VISIT), *rows.visits(after)])
    lost = np.concatenate([bare(gone), _lost_specials(state, rows, special)])
    old = _replace_visits(state, new, lost)
    changed = np.concatenate([old, new])
    prescriptions = np.concatenate([bare(touched), _prescriptions(changed)])
    entries = rows.ledger_of(prescriptions)
    values = dict.fromkeys(sorted(set(names(prescriptions))), b"")
    state.put({}, values | ledger_of(keys_of(entries), entries["slot"]), {})


def _prescriptions(visits: Items) -> Items:
    """What visits issue with refills, or dispense: prescriptions whose ledger they may change."""
    dispensed = sources(visits)
    return np.concatenate([visits[issues(visits)], bare(dispensed[dispensed.any(axis=1)])])


def _replace_visits(state: StateDb, new: Items, lost: Items) -> Items:
    """Take lost visits and earlier versions away and put the new ones; gives what went."""
    changed = np.concatenate([new, lost])
    touched, gone = sorted(set(moments(changed))), set(names(changed))
    present = items_of(state.moments(touched), VISIT)
    stays = np.array([name not in gone for name in names(present)], np.bool_)
    live = counted(new)
    live.subtract(counted(present[~stays]))
    changes = {key: change for key, change in live.items() if change}
    values = dict.fromkeys(touched, b"") | moments_of(np.concatenate([present[stays], new]))
    state.put(values, {}, changes)
    return present[~stays]


def _lost_specials(state: StateDb, rows: StateRows, deletes: set[SpecialDelete]) -> Items:
    """Visits of the state that went, though their treatment id does not name them.

    What the state has of the institutions and days in question, and the tables no longer have.
    """
    if not deletes:
        return np.empty(0, VISIT)
    live = {name for items in rows.special_visits(deletes) for name in names(items)}
    named = list(deletes)
    codes = special_names(_lows([d.code for d in named])).tolist()
    wanted = {
        (code, pack_text(d.institution), _day(d.day)) for code, d in zip(codes, named, strict=True)
    }
    lost = [np.empty(0, VISIT)]
    for first, stop in sorted({_seconds(d.day) for d in deletes} | {(0, 1)}):
        edges = [(second << _SECOND_SHIFT).to_bytes(8, "big") for second in (first, stop)]
        items = items_of(state.moments_between(*edges), VISIT)
        items = items[(items["low"] & SPECIAL) != 0]
        code = special_names(items["low"])
        about = zip(code.tolist(), items["owner"].tolist(), items["day"].tolist(), strict=True)
        chosen = [
            one in wanted and name not in live
            for one, name in zip(about, names(items), strict=True)
        ]
        lost.append(items[np.array(chosen, np.bool_)])
    return np.concatenate(lost)


def _lows(codes: list[str]) -> UInt64:
    """The low halves of keys of which nothing is known but the special code."""
    nothing = pa.nulls(len(codes), pa.string())
    rows = pa.table({name: pa.array(codes) if name == "M15" else nothing for name in KEY_FIELDS})
    return code_keys(columns_of_table(rows))[0][:, 1]


def special_names(low: UInt64) -> UInt64:
    """The part of keys, in their low halves, that is the special code."""
    mask = SPECIAL | (SPECIAL - np.uint64(1)) >> CODE_SHIFT << CODE_SHIFT
    return low & mask


def _seconds(day: date | None) -> tuple[int, int]:
    """The seconds of a day, as keys hold them; where there is no day, there is no second."""
    if day is None:
        return 0, 1
    year = (day.year - _FIRST_YEAR) % _YEARS * _SECONDS_A_YEAR
    first = year + (day - date(day.year, 1, 1)).days * 86_400
    return first, first + 86_400


def _day(day: date | None) -> int:
    return NO_DAY if day is None else (day - date(1970, 1, 1)).days
