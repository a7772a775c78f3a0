"""Rules, a page each: what the system really checks, under which code, since when and why."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pipeline.report.catalogue import words
from pipeline.report.catalogue.search import catalogue, rule_families
from pipeline.web.portal.codes import TOLD, Choice, SearchText
from pipeline.web.portal.page import page
from pipeline.web.problems import not_found
from rules.model import Rule

router = APIRouter(include_in_schema=False)
_A_PAGE: Final = 50


@router.get("/rules")
def list_rules(
    request: Request,
    q: SearchText = "",
    severity: Choice = "",
    decided: Choice = "",
    status: Choice = "",
    number: Annotated[int, Query(alias="page", ge=1, le=10_000)] = 1,
) -> Response:
    """Every rule, or those a search finds, some at a time."""
    wanted = {"severity": severity, "decided": decided, "status": status}
    found = [rule for rule in catalogue().search_rules(q) if _is(rule, **wanted)]
    pages = max(1, -(-len(found) // _A_PAGE))
    number = min(number, pages)
    return page(
        request,
        "rules.html.j2",
        **TOLD,
        q=q,
        filters=[
            ("severity", "後果", "Severity", words.SEVERITIES, severity),
            ("decided", "由什麼判定", "Decided by", words.DECIDED_BY, decided),
            ("status", "狀態", "Status", words.STATUSES, status),
        ],
        found=found[(number - 1) * _A_PAGE : number * _A_PAGE],
        count=len(found),
        number=number,
        pages=pages,
        query=partial(_query, {"q": q, **wanted}),
    )


@router.get("/rules/{rule_id:path}")
def show_rule(request: Request, rule_id: str) -> Response:
    """One rule, under each code it reports."""
    rule = catalogue().by_id.get(rule_id)
    if rule is None:
        raise not_found()
    return page(request, "rules_one.html.j2", **TOLD, rule=rule, told=rule_families(rule))


def _is(rule: Rule, *, severity: str, decided: str, status: str) -> bool:
    return (
        (not severity or (rule.current.severity == severity and rule.decided_by != "outside"))
        and decided in ("", rule.decided_by)
        and status in ("", rule.status)
    )


def _query(asked: dict[str, str], number: int) -> str:
    return urlencode({**{name: value for name, value in asked.items() if value}, "page": number})
