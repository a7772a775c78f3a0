"""The result list: what was received on some days, in the columns of document 001."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Final, Literal, cast
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pipeline.accounts.sessions import Session
from pipeline.outcome import Mode
from pipeline.taipei import TAIPEI
from pipeline.web.house import HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.page import day_text, language, page
from pipeline.web.portal.upload import shown_name
from pipeline.web.portal.verdict_words import row_headline
from pipeline.web.portal.words import MODES, SHORT_CHANNELS
from pipeline.web.problems import not_found

router = APIRouter(include_in_schema=False)
COLUMNS: Final = (
    ("records", "接收明細", "Records"),
    ("records_accepted", "有效明細", "Valid records"),
    ("records_rejected", "無效明細", "Invalid records"),
    ("orders", "接收醫令", "Orders"),
    ("orders_accepted", "有效醫令", "Valid orders"),
    ("orders_rejected", "無效醫令", "Invalid orders"),
)
STATUSES: Final = {
    "waiting": ("檢核中", "Being checked"),
    "done": ("已檢核", "Checked"),
    "refused": ("整批退件", "Refused"),
    "held": ("待確認", "Held"),
    "dropped": ("已作廢", "Dropped"),
}
_DAYS: Final = 14  # that are shown unless asked otherwise: as long as downloads last
_A_PAGE: Final = 50
_MOST_DAYS: Final = 366


@router.get("/uploads")
def uploads(
    request: Request,
    house: HouseOf,
    session: Annotated[Session, page_of("clinic")],
    after: Annotated[str | None, Query(max_length=200)] = None,
    before: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """Uploads of some days, ``before`` of which stood on earlier pages."""
    asked = _asked(request, house.clock().astimezone(TAIPEI).date())
    lang = language(request)
    told: dict[str, Any] = {
        "first": asked.first_text or day_text(asked.first, lang),
        "last": asked.last_text or day_text(asked.last, lang),
        "mode": asked.mode,
        "with_status": asked.status,
        "filtered": bool(asked.mode or asked.status),
        "errors": asked.errors,
        "modes": MODES,
        "statuses": STATUSES,
        "channels": SHORT_CHANNELS,
        "columns": COLUMNS,
    }
    if asked.errors:
        return page(request, "uploads.html.j2", status=422, rows=[], **told)
    try:
        found = house.desk.results(
            session.who,
            next(iter(session.who.institutions)),
            asked.first,
            asked.last,
            mode=asked.mode or None,
            status=asked.status or None,
            limit=_A_PAGE,
            after=after,
        )
    except ValueError:  # an address that was changed by hand
        raise not_found() from None
    query = {"from": asked.first.isoformat(), "to": asked.last.isoformat(), "mode": asked.mode,
             "status": asked.status}  # fmt: skip
    on = {**query, "after": found.cursor, "before": before + len(found.uploads)}
    return page(
        request,
        "uploads.html.j2",
        rows=[(row, row_headline(row), shown_name(row["name"])) for row in found.uploads],
        sums=found.sums,
        last_day=found.last_day,
        before=before,
        start=f"/uploads?{urlencode(query)}",
        following=f"/uploads?{urlencode(on)}" if found.cursor else "",
        **told,
    )


@dataclass(frozen=True)
class _Asked:
    """What is asked for; texts that are no day stay as they were written, beside why."""

    first: date
    last: date
    mode: Mode | Literal[""]
    status: str
    first_text: str = ""
    last_text: str = ""
    errors: tuple[tuple[str, str, str], ...] = ()


def _asked(request: Request, today: date) -> _Asked:
    query = request.query_params
    last = read_day(query["to"]) if query.get("to") else today
    first = read_day(query["from"]) if query.get("from") else (last or today) - timedelta(_DAYS - 1)
    errors = []
    if first is None:
        errors.append(_no_day("from"))
    if last is None:
        errors.append(_no_day("to"))
    if first and last and first > last:
        first, last = last, first
    if first and last and (last - first).days >= _MOST_DAYS:
        errors.append(("from", "一次最多查一年", "Ask for a year at most"))
    mode, status = query.get("mode", ""), query.get("status", "")
    return _Asked(
        first or today,
        last or today,
        cast(Mode, mode) if mode in MODES else "",
        status if status in STATUSES else "",
        query.get("from", "") if errors else "",
        query.get("to", "") if errors else "",
        tuple(errors),
    )


def _no_day(field: str) -> tuple[str, str, str]:
    return field, "看不懂這個日期，請寫成 113/03/20", "This is no date: write 2024-03-20"
