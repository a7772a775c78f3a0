"""PURE: records, from a batch or a table, as the items that the merge's state is made of."""

from __future__ import annotations

from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.columns import UInt8
from pipeline.kernels import ids
from pipeline.kernels.merge_faults import CLEARS_UP, COUNTS, DISPENSES, ORIGIN
from pipeline.merge.keys import (
    Column,
    Columns,
    UInt32,
    UInt64,
    code_ids,
    code_keys,
    columns_of_table,
    pack,
)
from pipeline.merge.state_items import MOST_REFILLS, VISIT, Items
from rules.codes import named_lists
from schemas import V2, Version

TIMES: Final = ("M24", "M25", "M26", "M27", "M28", "M29")  # of kinds A to F
LEGS: Final = ("M33", "M34")  # of the refill kinds
REFILL_KINDS: Final = (2, 5)
_ORDINARY: Final = (0, 1, 3, 4)
_DISPENSING: Final = ("AE", "AF")
_CLEARING_UP: Final = ("AI",)


def visit_items(column: Columns, owner: UInt64, *, prescribing: bool = True) -> tuple[Items, UInt8]:
    """``VISIT`` items of records, but for ``sequence`` and ``record``; and which of them have a
    treatment id rather than a special code. ``owner``: their institutions, packed;
    ``prescribing``: whether their version of the format tells of refills (2.0 does)."""
    key, normal = code_keys(column)
    items = np.zeros(len(key), VISIT)
    items["high"], items["low"], items["owner"] = key[:, 0], key[:, 1], owner
    items["doctor"] = pack(column("M06"))
    day = np.empty(len(key), np.int32)
    ids.visit_days(*column("M11"), day)
    items["day"] = day
    items["type"] = four_bytes(column("M07"))
    items["number"] = four_bytes(column("M13"))
    items["flags"] = flags_of(items["type"])
    if prescribing:
        counts = four_bytes(column("H00")) == ord("1")
        items["flags"] |= np.where(counts, COUNTS, 0).astype(np.uint8)
        _add_prescriptions(items, column, normal)
    return items, normal


def _add_prescriptions(items: Items, column: Columns, normal: UInt8) -> None:
    """What the visits issue, and what they dispense of which prescription."""
    counts = items["flags"] & COUNTS != 0
    dispenses = counts & (items["flags"] & DISPENSES != 0)
    issues = counts & ~dispenses & (normal == 1)
    said = np.stack([_digits(column(name)) for name in TIMES], axis=1)
    said = np.minimum(said, MOST_REFILLS)  # the kernel relies on it, whatever the rules let pass
    for kind in REFILL_KINDS:
        said[:, kind] *= said[:, kind] > 1
    items["times"] = np.where(issues[:, None], said, 0)
    for kind in _ORDINARY:
        items["kinds"] |= ((dispenses & (said[:, kind] > 0)) << kind).astype(np.uint8)
    for j, name in enumerate(LEGS):
        bits = np.empty(len(items), np.uint8)
        ids.refill_bits(*column(name), bits)
        items["legs"][:, j] = np.where(dispenses | issues, bits, 0)
    original, known = code_ids(column("M16"))
    source = dispenses & (known == 1)
    items["original_high"] = np.where(source, original[:, 0], 0)
    items["original_low"] = np.where(source, original[:, 1], 0)


def stored_items(rows: pa.Table, version: Version = V2) -> Items:
    """``VISIT`` items of rows of ``visits``, or of ``v1_visits``."""
    column = columns_of_table(rows, version)
    items, _ = visit_items(column, pack(column("institution")), prescribing=version is V2)
    items["sequence"] = rows["sequence"].to_numpy()
    items["record"] = rows["record"].to_numpy()
    return items


def flags_of(types: np.ndarray) -> UInt8:
    """The flags that visit types decide."""
    flags = np.zeros(len(types), np.uint8)
    for flag, codes in (
        (ORIGIN, named_lists()["ORIGIN"]), (DISPENSES, _DISPENSING), (CLEARS_UP, _CLEARING_UP),
    ):  # fmt: skip
        numbers = [int.from_bytes(code.encode(), "big") for code in codes]
        flags |= np.where(np.isin(types, numbers), flag, 0).astype(np.uint8)
    return flags


def four_bytes(column: Column) -> UInt32:
    """Short codes as numbers, 0 for nothing."""
    out = np.empty(len(column.offset), np.uint32)
    ids.four_bytes(*column, out)
    return out


def _digits(column: Column) -> UInt8:
    out = np.empty(len(column.offset), np.uint8)
    ids.last_digit(*column, out)
    return out
