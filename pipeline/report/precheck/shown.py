"""What pages show of one comparison: its charts, why it isn't qualified, the visits that lack.

Ids and birth dates are masked. Charts are labelled in 繁體中文 unless ``english`` is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from pipeline.comparison.keys import KEYS, PRECHECK_FIELDS
from pipeline.comparison.nearest import DIFFERS
from pipeline.comparison.results import CodeCount
from pipeline.comparison.tally import READY_PERCENT, Comparison, Tally
from pipeline.comparison.visit_types import visit_type_name
from pipeline.report.masking import masked
from pipeline.report.precheck import words
from pipeline.report.precheck.charts import BarChart, DotChart, count_bars, dot_chart, share_bars
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.report.printable import printable, shortened
from pipeline.report.texts import code_meaning
from rules.plan import Plan

SHOWN_UNMATCHED: Final = 20
_MOST_TYPES: Final = 12
_LABEL_CHARACTERS: Final = 24
_ENGLISH_CHARACTERS: Final = 48
_TYPE_CHARACTERS: Final = 48
_SHOWN_CHARACTERS: Final = 24


@dataclass(frozen=True)
class UnmatchedVisit:
    """A 1.0 visit without pre-check as a page may show it; ``found`` is the nearest pre-check."""

    id: str
    birth: str
    moment: str
    type: str
    found: str
    differs: tuple[str, str]


def unmatched_visits(report: InstitutionReport) -> list[UnmatchedVisit]:
    """The first of them; those with a candidate first, for they can be mended at once."""
    rows = report.unmatched.sort(pl.col(DIFFERS).is_null(), maintain_order=True)
    return [_masked_row(row) for row in rows.head(SHOWN_UNMATCHED).iter_rows(named=True)]


def reasons(one: Comparison) -> list[tuple[str, str]]:
    """Why an institution is not qualified."""
    total = one.total
    if not total.v1:
        return [words.NOTHING]
    said = []
    if total.percent != READY_PERCENT:
        said.append(
            (
                f"還有 {total.missing:,} 件1.0資料沒有相符的2.0預檢成功資料。",
                f"{total.missing:,} visits sent in 1.0 have no matching 2.0 pre-check.",
            )
        )
    if total.vpn:
        said.append(
            (
                f"有 {total.vpn:,} 件預檢以VPN上傳，須全部以Web-API上傳。",
                f"{total.vpn:,} pre-checks came by VPN; all must come by Web-API.",
            )
        )
    return said


def day_chart(by_date: Iterable[tuple[date, Tally]]) -> DotChart:
    """Ratio by visit date, each under its month and day."""
    return dot_chart([(f"{day:%m/%d}", tally.ratio or 0.0) for day, tally in by_date])


def type_chart(by_type: Iterable[tuple[str, Tally]], *, english: bool = False) -> BarChart:
    """Ratio of the commonest visit types, in the order of their codes."""
    rows = sorted(by_type, key=lambda row: -row[1].v1)[:_MOST_TYPES]
    return share_bars(
        [
            (
                shortened(type_label(code, english=english), _TYPE_CHARACTERS),
                tally.ratio or 0.0,
                f"{tally.matched:,} / {tally.v1:,}",
            )
            for code, tally in sorted(rows, key=lambda row: row[0])
        ]
    )


def code_chart(codes: Iterable[CodeCount], plan: Plan, *, english: bool = False) -> BarChart:
    """How often each of the commonest codes was found."""
    most = _ENGLISH_CHARACTERS if english else _LABEL_CHARACTERS
    return count_bars(
        [
            (shortened(f"{one.code} {code_meaning(plan, one.code)[english]}", most), one.count)
            for one in codes
        ]
    )


def type_label(code: str, *, english: bool = False) -> str:
    """A visit type as the document writes it: 01-西醫門診."""
    shown, name = printable(code, _SHOWN_CHARACTERS), visit_type_name(code)[english]
    blank = "(blank)" if english else "（空白）"
    return f"{shown}-{name}" if name != code else shown or blank


def _masked_row(row: dict[str, Any]) -> UnmatchedVisit:
    own = {key: _cell(key, row[key]) for key in KEYS}
    theirs = (_cell(key, row[f"found_{key}"]) for key in KEYS)
    found = "／".join(theirs) if row[DIFFERS] else "–"
    return UnmatchedVisit(**own, found=found, differs=words.differs_text(row[DIFFERS]))


def _cell(key: str, value: str | None) -> str:
    """Both formats' fields of a key hold the same, so the 2.0 one says what is masked."""
    return printable(masked(PRECHECK_FIELDS[key], value) or "", _SHOWN_CHARACTERS)
