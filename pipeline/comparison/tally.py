"""The figures of one institution's comparison, counted as the document's tables show them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final, NamedTuple

import polars as pl

from pipeline.comparison.pairing import COUNTED
from pipeline.comparison.window import Window

READY_PERCENT: Final = 100


class Tally(NamedTuple):
    """``v1``: 1.0 successes (A); ``matched``: those with a 2.0 pre-check success (B); ``vpn``: how
    many of B were sent by VPN, the others having come by Web-API."""

    v1: int = 0
    matched: int = 0
    vpn: int = 0

    @property
    def web_api(self) -> int:
        return self.matched - self.vpn

    @property
    def percent(self) -> int | None:
        """B/A in whole per cent, halves up, in exact arithmetic; ``None`` where A is 0."""
        return (200 * self.matched + self.v1) // (2 * self.v1) if self.v1 else None

    @property
    def ratio(self) -> float | None:
        """B/A as it is; ``None`` where A is 0."""
        return self.matched / self.v1 if self.v1 else None

    @property
    def missing(self) -> int:
        """1.0 successes without a pre-check."""
        return self.v1 - self.matched

    @property
    def qualified(self) -> bool:
        """Rounded to 100 %, and all of it by Web-API (document 001, 檢視方式)."""
        return self.percent == READY_PERCENT and self.vpn == 0


@dataclass(frozen=True)
class Comparison:
    """One institution in one window; dates and types without 1.0 visits are not listed.

    ``by_visit_type`` is in the order of the codes.
    """

    institution: str
    window: Window
    total: Tally
    by_date: tuple[tuple[date, Tally], ...]
    by_visit_type: tuple[tuple[str, Tally], ...]

    @property
    def qualified(self) -> bool:
        return self.total.qualified


def comparisons(
    counts: pl.DataFrame, window: Window, institutions: Iterable[str] = ()
) -> Iterator[Comparison]:
    """The comparison of every institution in ``Paired.counts``, in the order of their codes.

    ``institutions`` names others to be told too, with nothing counted.
    """
    dates = _summed(counts, "visit_date")
    types = _summed(counts.with_columns(pl.col("type").fill_null("")), "type")
    for name in sorted({*dates, *institutions}):
        by_date = tuple((day, tally) for day, tally in dates.get(name, ()) if tally.v1)
        yield Comparison(
            name,
            window,
            total_of(tally for _, tally in by_date),
            by_date,
            tuple(types.get(name, ())),
        )


def total_of(tallies: Iterable[Tally]) -> Tally:
    """Tallies added up."""
    rows = list(tallies)
    return Tally(sum(t.v1 for t in rows), sum(t.matched for t in rows), sum(t.vpn for t in rows))


def tallied(rows: pl.DataFrame, by: str) -> list[tuple[Any, Tally]]:
    """Counts summed over a column, in its order."""
    summed = rows.group_by(by).agg(pl.col(*COUNTED).sum()).sort(by)
    return [(value, Tally(*figures)) for value, *figures in summed.iter_rows()]


def _summed(counts: pl.DataFrame, by: str) -> dict[str, list[tuple[Any, Tally]]]:
    rows = counts.group_by("institution", by).agg(pl.col(*COUNTED).sum()).sort("institution", by)
    return {
        name: [(value, Tally(*figures)) for _, value, *figures in group]
        for name, group in groupby(rows.iter_rows(), key=lambda row: row[0])
    }
