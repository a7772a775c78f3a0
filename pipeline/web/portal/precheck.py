"""The 1.0-against-2.0 comparison of an institution: verdict, figures, charts, what lacks."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from pipeline.accounts.accounts import Session
from pipeline.accounts.who import Who
from pipeline.comparison.keys import KEYS
from pipeline.comparison.window import roc_date
from pipeline.desk.errors import NotThereError
from pipeline.report.precheck import words
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
from pipeline.taipei import TAIPEI
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.page import day_text, language, page
from pipeline.web.portal.precheck_files import FILES, Listed, listed
from rules import load_plan

router = APIRouter(include_in_schema=False)
Reader = Annotated[Session, page_of("clinic", "insurer", "auditor")]
_INSTITUTION: Final = re.compile(r"[0-9A-Z]{10}")
_HEADINGS: Final = (
    (*words.HEADINGS[0], "(A)"),
    (*words.HEADINGS[1], "(B)"),
    (*words.HEADINGS[2], "(B)/(A)"),
    ("(B) 以VPN上傳", "(B) by VPN", "VPN"),
    ("(B) 以Web-API上傳", "(B) by Web-API", "Web-API"),
)
"""In 繁體中文, in English, and as brief as a phone needs."""
_NO_DAY: Final = ("as_of", "看不懂這個日期，請寫成 113/03/20", "This is no date: write 2024-03-20")


@router.get("/precheck")
def show(
    request: Request,
    house: HouseOf,
    session: Reader,
    as_of: Annotated[str, Query(max_length=30)] = "",
    institution: Annotated[str, Query(max_length=10)] = "",
) -> Response:
    """The comparison as of a day, today unless asked otherwise; of the reader's institution, for
    the insurer's people of the one they name."""
    if session.who.of_insurer and not institution:
        return RedirectResponse("/insurer/institutions", 303)
    today = house.clock().astimezone(TAIPEI).date()
    wanted = read_day(as_of) if as_of else today
    report = report_of(house, session.who, institution, wanted or today)
    if session.who.of_insurer:
        one = report.comparison
        detail = {"as_of": one.window.as_of.isoformat()}
        house.accounts.audit.append(
            session.who.id, "report.seen", "precheck", one.institution, detail
        )
    errors = [] if wanted else [_NO_DAY]
    return report_page(request, house, session.who, report, asked=as_of, errors=errors)


def report_of(house: House, who: Who, institution: str, as_of: date) -> InstitutionReport:
    """The comparison of the institution that is asked for, or of their own.

    Raises ``NotThereError``.
    """
    name = institution or next(iter(sorted(who.institutions)), "")
    if not _INSTITUTION.fullmatch(name):
        raise NotThereError
    return house.desk.precheck(who, name, as_of)


def report_page(
    request: Request,
    house: House,
    who: Who,
    report: InstitutionReport,
    *,
    asked: str = "",
    errors: Sequence[tuple[str, str, str]] = (),
    zip_errors: Sequence[tuple[str, str, str]] = (),
) -> Response:
    """The page of a comparison."""
    one, plan = report.comparison, load_plan()
    english = language(request) == "en"
    as_of = one.window.as_of
    today = house.clock().astimezone(TAIPEI).date()
    prechecked = bool((report.uploads["mode"] == "precheck").any()) or one.total.matched > 0
    last_day = None if prechecked else _last_day(house, who, one.institution, today)
    told: dict[str, Any] = {
        "reasons": reasons(one),
        "by_date": [(day_text(day, "en" if english else "zh"), t) for day, t in one.by_date],
        "by_type_rows": [(type_label(code, english=english), t) for code, t in one.by_visit_type],
        "by_day": day_chart(one.by_date),
        "by_type": type_chart(one.by_visit_type, english=english),
        "by_code": code_chart(report.codes, plan, english=english),
        "meaning": lambda code: code_meaning(plan, code),
        "differs": [(words.differs_text(keys), n) for keys, n in report.differs.items()],
        "shown": unmatched_visits(report),
        "prompt": report.promptness,
        "headings": [(heading[english], heading[2]) for heading in _HEADINGS],
    }
    return page(
        request,
        "precheck.html.j2",
        status=422 if errors or zip_errors else 200,
        words=words,
        keys=KEYS,
        one=one,
        report=report,
        institution=one.institution,
        owned=who.owns(one.institution),
        files=_files(report),
        asked=asked if errors else day_text(as_of, "en" if english else "zh"),
        earlier=as_of - timedelta(1),
        later=as_of + timedelta(1) if as_of < today else None,
        link=_linker(who, one.institution),
        prechecked=prechecked,
        last_day=last_day and min(last_day + timedelta(1), today),
        last_day_said=last_day,
        errors=errors,
        zip_errors=zip_errors,
        **told,
    )


def _files(report: InstitutionReport) -> list[Listed]:
    return [listed(report, name) for name in FILES]


def _linker(who: Who, institution: str) -> Any:
    """Where the comparison of another day, or a file of it, is found."""

    def link(day: date, below: str = "") -> str:
        query = {"as_of": roc_date(day)}
        if who.of_insurer:
            query["institution"] = institution
        return f"/precheck{below}?{urlencode(query)}"

    return link


def _last_day(house: House, who: Who, institution: str, today: date) -> date | None:
    """The last day on which the institution sent a pre-check, if it ever did."""
    found = house.desk.results(who, institution, today, today, mode="precheck", limit=1)
    last: date | None = today if found.uploads else found.last_day
    return last
