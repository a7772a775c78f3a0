"""The report as pages: one self-contained HTML file, without scripts, fit to print.

Ids and birth dates are masked; the same report gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Final

import jinja2
import polars as pl

from pipeline.comparison.country import Country
from pipeline.comparison.keys import KEYS, PRECHECK_FIELDS
from pipeline.comparison.nearest import DIFFERS
from pipeline.comparison.results import CodeCount
from pipeline.comparison.tally import READY_PERCENT, Comparison, Tally
from pipeline.comparison.visit_types import visit_type_name
from pipeline.comparison.window import roc_date
from pipeline.report.masking import masked
from pipeline.report.precheck import words
from pipeline.report.precheck.charts import BarChart, DotChart, count_bars, dot_chart, share_bars
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.report.printable import printable, shortened
from pipeline.report.texts import code_meaning
from pipeline.version import ENGINE
from rules.plan import Plan

SHOWN_UNMATCHED: Final = 20
_MOST_TYPES: Final = 12
_LABEL_CHARACTERS: Final = 24
_SHOWN_CHARACTERS: Final = 24


def institution_page(report: InstitutionReport, plan: Plan) -> str:
    """The report of one institution."""
    one = report.comparison
    return _render(
        "institution.html.j2",
        plan,
        window=one.window,
        report=report,
        comparison=one,
        reasons=reasons(one),
        by_day=day_chart(one.by_date),
        by_type=_type_chart(one.by_visit_type),
        by_code=_code_chart(report.codes, plan),
        differs=[(words.differs_text(keys), n) for keys, n in report.differs.items()],
        shown=_shown(report),
    )


def country_page(country: Country, plan: Plan) -> str:
    """The country's summary."""
    return _render(
        "country.html.j2",
        plan,
        window=country.window,
        country=country,
        by_band=count_bars([(" ".join(words.BAND_NAMES[b]).strip(), n) for b, n in country.bands]),
        by_day=day_chart(country.by_date),
        by_type=_type_chart(country.by_visit_type),
        by_code=_code_chart(country.worst_codes, plan),
    )


def day_chart_svg(one: Comparison, plan: Plan) -> str:
    """The chart of the ratio by visit date, as an SVG file of its own."""
    return _render("day_chart.svg.j2", plan, window=one.window, chart=day_chart(one.by_date))


def day_chart(by_date: Iterable[tuple[date, Tally]]) -> DotChart:
    """Ratio by visit date, each under its month and day."""
    return dot_chart([(f"{day:%m/%d}", tally.ratio or 0.0) for day, tally in by_date])


def _type_chart(by_type: Iterable[tuple[str, Tally]]) -> BarChart:
    """Ratio of the commonest visit types, in the order of their codes."""
    rows = sorted(by_type, key=lambda row: -row[1].v1)[:_MOST_TYPES]
    return share_bars(
        [
            (type_label(code), tally.ratio or 0.0, f"{tally.matched:,} / {tally.v1:,}")
            for code, tally in sorted(rows, key=lambda row: row[0])
        ]
    )


def _code_chart(codes: Iterable[CodeCount], plan: Plan) -> BarChart:
    return count_bars(
        [
            (
                shortened(f"{one.code} {code_meaning(plan, one.code)[0]}", _LABEL_CHARACTERS),
                one.count,
            )
            for one in codes
        ]
    )


def type_label(code: str) -> str:
    """A visit type as the document writes it: 01-西醫門診."""
    shown, name = printable(code, _SHOWN_CHARACTERS), visit_type_name(code)[0]
    return f"{shown}-{name}" if name != code else shown or "（空白）"


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


@dataclass(frozen=True)
class _Shown:
    """A 1.0 visit without pre-check as the page may show it."""

    id: str
    birth: str
    moment: str
    type: str
    found: str
    differs: tuple[str, str]


def _shown(report: InstitutionReport) -> list[_Shown]:
    """Those with a candidate first, for they can be mended at once."""
    rows = report.unmatched.sort(pl.col(DIFFERS).is_null(), maintain_order=True)
    return [_masked_row(row) for row in rows.head(SHOWN_UNMATCHED).iter_rows(named=True)]


def _masked_row(row: dict[str, Any]) -> _Shown:
    own = {key: _cell(key, row[key]) for key in KEYS}
    theirs = (_cell(key, row[f"found_{key}"]) for key in KEYS)
    found = "／".join(theirs) if row[DIFFERS] else "–"
    return _Shown(**own, found=found, differs=words.differs_text(row[DIFFERS]))


def _cell(key: str, value: str | None) -> str:
    """Both formats' fields of a key hold the same, so the 2.0 one says what is masked."""
    return printable(masked(PRECHECK_FIELDS[key], value) or "", _SHOWN_CHARACTERS)


def _render(template: str, plan: Plan, **told: Any) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            told,
            meaning=lambda code: code_meaning(plan, code),
            style=_style(),
            style_hash=_integrity(_style()),
        )
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(__package__, "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, engine=ENGINE)
    environment.filters.update(
        roc=roc_date,
        dates=lambda rows: [(roc_date(day), tally) for day, tally in rows],
        types=lambda rows: [(type_label(code), tally) for code, tally in rows],
    )
    return environment


@cache
def _style() -> str:
    return files(__package__).joinpath("templates", "style.css").read_text(encoding="utf-8")


def _integrity(text: str) -> str:
    """For the page's content security policy, which allows nothing but this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
