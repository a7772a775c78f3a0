"""PURE, given a State: what is known of everything that some records touch (docs/MERGE.md).

That is the visits of their keys, of the originals they name and of whatever earlier versions of
them dispensed, all visits of those persons at those seconds, and the ledger of the prescriptions
among them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32, UInt8
from pipeline.kernels.merge_faults import COUNTS, DISPENSES
from pipeline.merge.keys import Numbering, UInt64, ledger_keys, moment_keys, moment_parts, new_rows
from pipeline.merge.state import State
from pipeline.merge.state_items import PLACES, SLOT, VISIT, Items
from pipeline.merge.visit_items import REFILL_KINDS, flags_of

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Known:
    """The state of what a batch touches, as the merge kernel takes it.

    Per entry (a visit key): ``entries``, ``live``, ``moment`` (a number for person and second),
    ``source_of`` (the ledger row its version holds refills of, or -1; for the records' own keys
    only). Per ledger row: ``prescriptions`` (keys), ``issuer`` (its entry), ``slots``.
    """

    entries: Items
    live: UInt8
    moment: Int32
    source_of: Int32
    prescriptions: UInt64
    issuer: Int32
    slots: Items

    @property
    def keys(self) -> UInt64:
        """The key of each entry."""
        return keys_of(self.entries)


@dataclass(frozen=True)
class Places:
    """Where in ``Known`` each record's things are: entries of its key and of its original, ledger
    rows of its own prescription and of the one it dispenses; -1 for none."""

    entry: Int32
    original: Int32
    own: Int32
    source: Int32


def keys_of(items: Items) -> UInt64:
    """The key of each item."""
    return np.column_stack([items["high"], items["low"]])


def recall(state: State, visits: Items, normal: UInt8, original: UInt64) -> tuple[Known, Places]:
    """Look up what records touch. ``visits``: what they would be as live versions; ``normal``:
    which have a treatment id; ``original``: the keys of M16, 0 where there is none."""
    own, named = keys_of(visits), original.any(axis=1)
    dispensing = _dispenses(visits)
    new_sources = sources(visits[dispensing])
    entries = Numbering(2 * len(own), own.tobytes())
    first = _visits_at(state, np.concatenate([own, original[named], new_sources]))
    at_first, entry = entries.numbers(keys_of(first)), entries.numbers(own)
    earlier = first[np.isin(at_first, entry) & _dispenses(first)]
    old_sources = sources(earlier)
    second = _visits_at(state, old_sources)
    at = np.concatenate([at_first, entries.numbers(keys_of(second))])
    originals, at_new = entries.numbers(original[named]), entries.numbers(new_sources)
    at_old = entries.numbers(old_sources)

    known, live = np.zeros(len(entries.keys), VISIT), np.zeros(len(entries.keys), np.uint8)
    known["high"], known["low"] = entries.keys[:, 0], entries.keys[:, 1]
    known[at], live[at] = np.concatenate([first, second]), 1
    known["flags"] = flags_of(known["type"]) | (known["flags"] & COUNTS)
    moment = Numbering(len(known), entries.keys.tobytes()).numbers(moment_parts(entries.keys))

    ids = np.flatnonzero(normal == 1)
    asked = np.concatenate([own[ids], new_sources, old_sources])
    needed = np.ones(len(asked), np.bool_)
    needed[: len(ids)] = issues(visits[ids]) | issues(known[entry[ids]])
    prescriptions, slots = _ledger(state, asked, needed)
    issuer = entries.numbers(prescriptions)
    row = np.full(len(known), -1, np.int32)
    row[issuer] = np.arange(len(issuer))
    source_of = np.where((live == 1) & (known["flags"] & DISPENSES == 0), row, -1)
    source_of = source_of.astype(np.int32)
    source_of[entries.numbers(keys_of(earlier))] = row[at_old]
    found = Known(known, live, moment, source_of, prescriptions, issuer, slots)
    places = Places(entry, *(np.full(len(own), -1, np.int32) for _ in range(3)))
    places.original[named], places.source[dispensing] = originals, row[at_new]
    places.own[ids] = row[entry[ids]]
    return found, places


def _visits_at(state: State, keys: UInt64) -> Items:
    """All live visits of the persons and seconds of some keys, in order of keys."""
    parts = moment_parts(keys)
    parts = parts[np.lexsort((parts[:, 1], parts[:, 0]))]
    return np.frombuffer(b"".join(state.moments(moment_keys(parts[new_rows(parts)]))), VISIT)


def _dispenses(items: Items) -> Bools:
    """Which visits dispense a prescription that can be looked up."""
    both = COUNTS | DISPENSES
    dispensing: Bools = (items["flags"] & both == both) & (items["original_low"] != 0)
    return dispensing


def sources(items: Items) -> UInt64:
    """The prescriptions that visits dispense."""
    return np.column_stack([items["original_high"], items["original_low"]])


def issues(items: Items) -> Bools:
    """Which visits issue a prescription with refills."""
    times = items["times"]
    issuing: Bools = (times[:, REFILL_KINDS[0]] > 1) | (times[:, REFILL_KINDS[1]] > 1)
    return issuing


def _ledger(state: State, asked: UInt64, needed: Bools) -> tuple[UInt64, Items]:
    """Those prescriptions asked for that the ledger has anything of, or that are ``needed`` all
    the same; and their rows, place by place."""
    numbering = Numbering(len(asked), asked.tobytes())
    number = numbering.numbers(asked)
    values = state.ledger(ledger_keys(numbering.keys))
    sizes = np.array([len(value) for value in values], np.int64) // SLOT.itemsize
    kept = sizes > 0
    kept[number[needed]] = True
    slots = np.zeros((int(kept.sum()), PLACES), SLOT)
    slots["place"] = np.arange(PLACES)
    found = np.frombuffer(b"".join(values), SLOT)
    slots[np.repeat((np.cumsum(kept) - 1), sizes), found["place"]] = found
    return numbering.keys[kept], slots
