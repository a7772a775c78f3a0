"""What is told of one institution, cut out of a week that was read for one or for all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from pipeline.comparison.country import BANDS, Country, band_of, laggards
from pipeline.comparison.nearest import DIFFERS
from pipeline.comparison.results import (
    CodeCount,
    Promptness,
    by_institution,
    nation_codes,
    promptness,
    top_codes,
)
from pipeline.comparison.tally import Comparison, comparisons, tallied, total_of
from pipeline.report.precheck.week import Week

_MOST_CODES: Final = 10


@dataclass(frozen=True)
class InstitutionReport:
    """``codes``: the commonest findings on its pre-checks; ``differs``: of the 1.0 visits without
    pre-check how many differ in which keys from the nearest one (blank: none was found).

    ``uploads`` and ``unmatched`` are the rows of the two CSV files.
    """

    comparison: Comparison
    uploads: pl.DataFrame
    unmatched: pl.DataFrame
    codes: tuple[CodeCount, ...] = ()
    differs: dict[str, int] = field(default_factory=dict)
    promptness: Promptness = field(default_factory=Promptness)


def institution_reports(
    week: Week, compared: list[Comparison], most_codes: int = _MOST_CODES
) -> Iterator[InstitutionReport]:
    """The report of every institution compared, in their order."""
    uploads = dict(by_institution(week.uploads))
    unmatched = dict(by_institution(week.unmatched))
    codes = top_codes(week.uploads, week.found, most_codes)
    prompt = promptness(week.uploads, week.found)
    differs = _differs(week.unmatched)
    for one in compared:
        name = one.institution
        yield InstitutionReport(
            one,
            uploads.get(name, week.uploads.clear()),
            unmatched.get(name, week.unmatched.clear()),
            codes.get(name, ()),
            differs.get(name, {}),
            prompt.get(name, Promptness()),
        )


def compared_in(week: Week, asked: str | None = None) -> list[Comparison]:
    """The comparison of every institution that sent 1.0 visits or pre-checks, or of the one asked
    for, whatever it sent."""
    prechecks = week.uploads.filter(pl.col("mode") == "precheck")["institution"]
    names = prechecks.drop_nulls().unique().to_list() if asked is None else [asked]
    return list(comparisons(week.paired.counts, week.window, names))


def country_of(week: Week, compared: list[Comparison]) -> Country:
    """All of them together."""
    counts, with_visits = week.paired.counts, [one for one in compared if one.total.v1]
    bands = dict.fromkeys(BANDS, 0)
    for one in with_visits:
        bands[band_of(one.total)] += 1
    by_date = tallied(counts, "visit_date")
    prompt = promptness(week.uploads, week.found).values()
    return Country(
        window=week.window,
        institutions=len(with_visits),
        bands=tuple(bands.items()),
        total=total_of(tally for _, tally in by_date),
        by_date=tuple(by_date),
        by_visit_type=tuple(tallied(counts, "type")),
        worst_codes=nation_codes(week.uploads, week.found, _MOST_CODES),
        laggards=laggards(with_visits),
        promptness=Promptness(
            sum(p.taken for p in prompt),
            sum(p.late for p in prompt),
            sum(p.late_emergencies for p in prompt),
        ),
    )


def _differs(unmatched: pl.DataFrame) -> dict[str, dict[str, int]]:
    counts = unmatched.group_by("institution", pl.col(DIFFERS).fill_null("")).agg(pl.len())
    out: dict[str, dict[str, int]] = {}
    ordered = counts.sort(["institution", "len", DIFFERS], descending=[False, True, False])
    for name, differs, count in ordered.iter_rows():
        out.setdefault(name, {})[differs] = count
    return out
