"""PURE: the items a state is made of, as bytes (docs/MERGE.md, "State")."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Items = npt.NDArray[np.void]

VISIT: Final = np.dtype(
    [
        ("high", "<u8"), ("low", "<u8"),  # the key
        ("original_high", "<u8"), ("original_low", "<u8"),  # the prescription it dispenses, or 0
        ("owner", "<u8"), ("doctor", "<u8"),  # institution and M06, packed (keys.pack)
        ("sequence", "<i8"), ("record", "<i4"), ("day", "<i4"),  # day since 1970-01-01
        ("type", "<u2"), ("flags", "u1"),  # M07 as two bytes
        ("number", "<u4"),  # M13 as four bytes
        ("times", "u1", (6,)),  # by kind A to F: how often it may be dispensed
        ("legs", "u1", (2,)),  # kinds C, F: refills it dispenses, bit 0 for the first
        ("kinds", "u1"),  # ordinary kinds it dispenses, bit k for kind k
    ]
)  # fmt: skip
"""A live visit."""

SLOT: Final = np.dtype(
    [
        ("place", "u1"), ("status", "u1"),  # kind * 8 + refill - 1; DISPENSED or CANCELLED
        ("high", "<u8"), ("low", "<u8"), ("owner", "<u8"),  # the visit that dispensed it, and whose
        ("sequence", "<i8"), ("record", "<i4"),
    ]
)  # fmt: skip
"""A refill that is dispensed or cancelled."""

KINDS: Final = 6
MOST_REFILLS: Final = 8
PLACES: Final = KINDS * MOST_REFILLS
OPEN, DISPENSED, CANCELLED = 0, 1, 2
