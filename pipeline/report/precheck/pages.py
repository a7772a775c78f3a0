"""The report as pages: one self-contained HTML file, without scripts, fit to print.

Ids and birth dates are masked; the same report gives the same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from pipeline.comparison.country import Country
from pipeline.comparison.tally import Comparison
from pipeline.comparison.window import roc_date
from pipeline.report.precheck import words
from pipeline.report.precheck.charts import count_bars
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.report.precheck.shown import (
    code_chart,
    day_chart,
    reasons,
    type_chart,
    type_label,
    unmatched_visits,
)
from pipeline.report.texts import code_meaning
from pipeline.version import ENGINE
from rules.plan import Plan


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
        by_type=type_chart(one.by_visit_type),
        by_code=code_chart(report.codes, plan),
        differs=[(words.differs_text(keys), n) for keys, n in report.differs.items()],
        shown=unmatched_visits(report),
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
        by_type=type_chart(country.by_visit_type),
        by_code=code_chart(country.worst_codes, plan),
    )


def day_chart_svg(one: Comparison, plan: Plan) -> str:
    """The chart of the ratio by visit date, as an SVG file of its own."""
    return _render("day_chart.svg.j2", plan, window=one.window, chart=day_chart(one.by_date))


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
