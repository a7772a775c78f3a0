"""All institutions' comparisons together: who is ready, who is not, and what is in the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from pipeline.comparison.results import CodeCount, Promptness
from pipeline.comparison.tally import READY_PERCENT, Comparison, Tally
from pipeline.comparison.window import Window

MOST_LAGGARDS: Final = 50

QUALIFIED, BY_VPN, NOT_BEGUN = "qualified", "by_vpn", "not_begun"
BANDS: Final = (QUALIFIED, BY_VPN, "95_99", "80_94", "50_79", "1_49", NOT_BEGUN)
"""Where an institution stands: qualified; 100 % but some by VPN; per cent from … to; no match."""
_FLOORS: Final = ((95, "95_99"), (80, "80_94"), (50, "50_79"), (0, "1_49"))


@dataclass(frozen=True)
class Country:
    """The country in one window. ``institutions`` counts those with 1.0 visits in it.

    ``bands``: how many stand where, in the order of ``BANDS``; ``laggards``: the institutions not
    qualified that lack most pre-checks, most first.
    """

    window: Window
    institutions: int
    bands: tuple[tuple[str, int], ...]
    total: Tally
    by_date: tuple[tuple[date, Tally], ...]
    by_visit_type: tuple[tuple[str, Tally], ...]
    worst_codes: tuple[CodeCount, ...]
    laggards: tuple[Comparison, ...]
    promptness: Promptness

    @property
    def qualified(self) -> int:
        """How many institutions are qualified."""
        return dict(self.bands)[QUALIFIED]


def band_of(total: Tally) -> str:
    """Where an institution with 1.0 visits stands: one of ``BANDS``."""
    if total.qualified:
        return QUALIFIED
    if total.matched == 0:
        return NOT_BEGUN
    percent = total.percent or 0
    if percent == READY_PERCENT:
        return BY_VPN
    return next(band for floor, band in _FLOORS if percent >= floor)


def laggards(compared: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Those not qualified that lack most pre-checks."""
    behind = (one for one in compared if one.total.v1 and not one.qualified)
    most = sorted(behind, key=lambda one: (-one.total.missing, one.institution))
    return tuple(most[:MOST_LAGGARDS])
