"""Error codes, a page each, for anybody: meaning, what to do, examples, authority."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from pipeline.report.catalogue import words
from pipeline.report.catalogue.entries import STATES
from pipeline.report.catalogue.search import Asked, catalogue
from pipeline.report.texts import field_name
from pipeline.web.portal.page import page
from schemas import every_field

router = APIRouter(include_in_schema=False)
MOST_ASKED: Final = 200
TOLD: Final[dict[str, Any]] = {"words": words, "STATES": STATES}
"""What templates about codes and rules speak with."""

SearchText = Annotated[str, Query(max_length=MOST_ASKED)]
Choice = Annotated[str, Query(max_length=20)]


@router.get("/codes")
def list_codes(request: Request, q: SearchText = "", severity: Choice = "") -> Response:
    """Every code, or those a search finds; a single finding, such as M15:AA, leads to its page."""
    asked = catalogue().asked(q)
    if len(asked) == 1 and not severity:
        return RedirectResponse(code_path(asked[0]), 303)
    found = [e for e in catalogue().search(q) if not severity or severity in e.severities]
    return page(
        request,
        "codes.html.j2",
        **TOLD,
        q=q,
        severity=severity,
        found=found,
        near=[] if found else catalogue().near(q),
        narrowed=bool(q.strip() or severity),
        total=len(catalogue().entries),
        by_initial=[(i, list(of)) for i, of in groupby(found, key=lambda entry: entry.initial)],
    )


@router.get("/codes/{code}")
def show_code(request: Request, code: str, field: Choice = "") -> Response:
    """One code; ``field`` narrows it to the rules that report it there."""
    entry = catalogue().entry(code[:MOST_ASKED])
    if entry is None:
        near = catalogue().near(code)
        return page(request, "codes_unknown.html.j2", status=404, **TOLD, near=near)
    if entry.code != code:
        return RedirectResponse(code_path(Asked(entry.code, field)), 308)
    there = field.upper() if field.upper() in entry.fields else ""
    return page(
        request,
        "codes_one.html.j2",
        **TOLD,
        one=entry,
        field=there,
        families=catalogue().families(entry, there),
        field_name=field_name,
    )


def code_path(asked: Asked) -> str:
    """Where a code is explained, for a field if it is one of the format's."""
    narrowed = asked.field.upper() in every_field()
    query = f"?{urlencode({'field': asked.field.upper()})}" if narrowed else ""
    return f"/codes/{quote(asked.code, safe='')}{query}"
