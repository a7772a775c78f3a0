"""All institutions, and what one of them sent."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pipeline.desk.insurer import Order
from pipeline.taipei import TAIPEI
from pipeline.web.house import HouseOf
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.insurer import Insurer
from pipeline.web.portal.page import day_text, language, page
from pipeline.web.portal.verdict_words import row_headline
from pipeline.web.portal.words import MODES, SHORT_CHANNELS
from pipeline.web.problems import Problem, not_found

router = APIRouter(include_in_schema=False)
_A_PAGE: Final = 50
_DAYS: Final = 30
_MOST_DAYS: Final = 366
ORDERS: Final[dict[Order, tuple[str, str]]] = {
    "institution": ("代碼", "Code"),
    "uploads": ("上傳數", "Uploads"),
    "rejected": ("退件比率", "Share rejected"),
    "last": ("最近上傳", "Last upload"),
    "held": ("暫緩", "Held"),
}


@router.get("/insurer/institutions")
def institutions(
    request: Request,
    house: HouseOf,
    session: Insurer,
    q: Annotated[str, Query(max_length=20)] = "",
    order: Order = "institution",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """Institutions that ever sent something, some at a time."""
    found = house.desk.institutions(
        session.who, q, order=order, limit=_A_PAGE, offset=(number - 1) * _A_PAGE
    )
    pages = max(1, -(-found.total // _A_PAGE))

    def link(page_number: int = 1, by: str = order) -> str:
        asked = {"q": q, "order": by, "page": page_number}
        return f"/insurer/institutions?{urlencode({k: v for k, v in asked.items() if v})}"

    return page(
        request,
        "insurer_institutions.html.j2",
        q=q,
        order=order,
        orders=ORDERS,
        found=found,
        number=number,
        pages=pages,
        link=link,
    )


@router.get("/insurer/institutions/{code}")
def institution(
    request: Request,
    house: HouseOf,
    session: Insurer,
    code: str,
    first: Annotated[str, Query(alias="from", max_length=30)] = "",
    last: Annotated[str, Query(alias="to", max_length=30)] = "",
    after: Annotated[str | None, Query(max_length=200)] = None,
) -> Response:
    """What one institution sent, the last first."""
    today = house.clock().astimezone(TAIPEI).date()
    until = read_day(last) if last else today
    since = read_day(first) if first else (until or today) - timedelta(_DAYS - 1)
    lang = language(request)
    told: dict[str, Any] = {
        "code": code,
        "modes": MODES,
        "channels": SHORT_CHANNELS,
        "first": first or day_text(since or today, lang),
        "last": last or day_text(until or today, lang),
    }
    errors = _wrong_days(since, until)
    if errors or since is None or until is None:
        return page(request, "insurer_institution.html.j2", status=422, errors=errors, **told)
    try:
        known = house.desk.institutions(session.who, code, limit=1).rows
        found = house.desk.results(session.who, code, since, until, limit=_A_PAGE, after=after)
    except ValueError:  # an address that was changed by hand
        raise Problem("bad-request") from None
    if not known or known[0].institution != code:
        raise not_found()
    query = {"from": since.isoformat(), "to": until.isoformat(), "after": found.cursor}
    here = f"/insurer/institutions/{quote(code, safe='')}"
    return page(
        request,
        "insurer_institution.html.j2",
        errors=[],
        about=known[0],
        found=found,
        rows=[(row, row_headline(row)) for row in found.uploads],
        following=f"{here}?{urlencode(query)}" if found.cursor else "",
        **told,
    )


def _wrong_days(since: date | None, until: date | None) -> list[tuple[str, str, str]]:
    wrong = [
        (name, "看不懂這個日期，請寫成 113/03/20", "This is no date: write 2024-03-20")
        for name, day in (("from", since), ("to", until))
        if day is None
    ]
    if since and until and not 0 <= (until - since).days < _MOST_DAYS:
        wrong.append(("from", "起日須在迄日之前，一次最多一年", "From comes first; a year at most"))
    return wrong
