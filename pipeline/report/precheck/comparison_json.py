"""The comparison for machines. Nobody's id is in it: it may leave the institution."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import orjson

from pipeline.comparison.country import Country
from pipeline.comparison.results import CodeCount, Promptness
from pipeline.comparison.tally import Tally
from pipeline.comparison.visit_types import visit_type_name
from pipeline.comparison.window import Window, roc_date
from pipeline.report.precheck.reports import InstitutionReport
from pipeline.report.texts import code_meaning
from rules.plan import Plan

_DIGITS = 5


def institution_json(report: InstitutionReport, plan: Plan) -> bytes:
    """The report of one institution: CONTRACT's ``report precheck``, and beside it what stands in
    the way (``top_findings``, ``unmatched`` by the keys that differ) and Article 10."""
    one = report.comparison
    told = {
        "institution": one.institution,
        **_window(one.window),
        "total": tally_json(one.total),
        **_tables(one.by_date, one.by_visit_type),
        "qualified": one.qualified,
        "uploads": report.uploads.height,
        "unmatched": {
            "count": report.unmatched.height,
            "differs": [
                {"keys": keys.split(), "count": count} for keys, count in report.differs.items()
            ],
        },
        "top_findings": codes_json(report.codes, plan),
        "within_24_hours": promptness_json(report.promptness),
    }
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE)


def country_json(country: Country, plan: Plan) -> bytes:
    """The country's summary."""
    told = {
        **_window(country.window),
        "institutions": country.institutions,
        "qualified": country.qualified,
        "bands": dict(country.bands),
        "total": tally_json(country.total),
        **_tables(country.by_date, country.by_visit_type),
        "worst_codes": codes_json(country.worst_codes, plan),
        "laggards": [
            {"institution": one.institution, **tally_json(one.total), "missing": one.total.missing}
            for one in country.laggards
        ],
        "within_24_hours": promptness_json(country.promptness),
    }
    return orjson.dumps(told, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_INDENT_2)


def tally_json(tally: Tally) -> dict[str, Any]:
    """A row of the document's tables, with the exact ratio beside the rounded one."""
    return {
        "v1": tally.v1,
        "matched": tally.matched,
        "percent": tally.percent,
        "ratio": None if tally.ratio is None else round(tally.ratio, _DIGITS),
        "vpn": tally.vpn,
        "web_api": tally.web_api,
    }


def promptness_json(prompt: Promptness) -> dict[str, Any]:
    """Article 10: of the official 2.0 records taken, the share that came in time."""
    return {
        "taken": prompt.taken,
        "late": prompt.late,
        "late_emergencies": prompt.late_emergencies,
        "ratio": None if prompt.ratio is None else round(prompt.ratio, _DIGITS),
    }


def codes_json(codes: Iterable[CodeCount], plan: Plan) -> list[dict[str, Any]]:
    """Codes with what they mean."""
    told = ((one, *code_meaning(plan, one.code)) for one in codes)
    return [
        {"code": one.code, "count": one.count, "meaning_zh": zh, "meaning_en": en}
        for one, zh, en in told
    ]


def _window(window: Window) -> dict[str, str]:
    return {
        "as_of": window.as_of.isoformat(),
        "from": window.first.isoformat(),
        "to": window.last.isoformat(),
    }


def _tables(
    by_date: Iterable[tuple[date, Tally]], by_visit_type: Iterable[tuple[str, Tally]]
) -> dict[str, Any]:
    return {
        "by_date": [{"date": roc_date(day), **tally_json(tally)} for day, tally in by_date],
        "by_visit_type": [
            {"code": code, "name": visit_type_name(code)[0], **tally_json(tally)}
            for code, tally in by_visit_type
        ],
    }
