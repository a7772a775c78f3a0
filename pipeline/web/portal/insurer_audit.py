"""The audit log: for auditors, with proof that nobody changed it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Annotated, Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response, StreamingResponse

from pipeline.accounts.accounts import Accounts, Session
from pipeline.accounts.actions import ACTIONS, action_words
from pipeline.accounts.audit_check import WORDS
from pipeline.accounts.audit_row import AuditRow
from pipeline.report.error_csv import neutralised
from pipeline.taipei import TAIPEI
from pipeline.web.house import HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.page import page

router = APIRouter(include_in_schema=False)
Auditor = Annotated[Session, page_of("auditor")]
Asked = Annotated[str, Query(max_length=80)]
_A_PAGE: Final = 50
_AT_ONCE: Final = 1_000
_MOST_ROWS: Final = 100_000
_VERIFIED_AT_ONCE: Final = 10_000
"""So many rows are verified with every look (a third of a second); more when asked for."""
_HEADER: Final = (
    "number", "at", "who", "name", "action", "object", "institution", "detail", "previous", "hash",
)  # fmt: skip


@dataclass(frozen=True)
class Filters:
    """Which rows; ``wrong`` are the filters that can't be read."""

    who: str
    action: str
    institution: str
    object: str
    first: str
    last: str
    wrong: tuple[tuple[str, str, str], ...]

    def columns(self, names: dict[str, str]) -> dict[str, Any]:
        """As ``AuditLog.rows`` wants them; ``names`` gives an account's id by its name."""
        return {
            "who": names.get(self.who.casefold(), self.who) or None,
            "action": self.action or None,
            "institution": self.institution or None,
            "object": self.object or None,
            "first": _begin(read_day(self.first)),
            "last": _end(read_day(self.last)),
        }

    def query(self, **more: Any) -> str:
        """These filters in an address."""
        asked = {
            "who": self.who, "action": self.action, "institution": self.institution,
            "object": self.object, "from": self.first, "to": self.last, **more,
        }  # fmt: skip
        return urlencode({name: value for name, value in asked.items() if value})


def _filters(
    who: Asked = "",
    action: Asked = "",
    institution: Asked = "",
    object: Asked = "",
    first: Annotated[str, Query(alias="from", max_length=30)] = "",
    last: Annotated[str, Query(alias="to", max_length=30)] = "",
) -> Filters:
    """Those of an address."""
    wrong = tuple(
        (name, "看不懂這個日期，請寫成 113/03/20", "This is no date: write 2024-03-20")
        for name, text in (("from", first), ("to", last))
        if text and read_day(text) is None
    )
    known = action if action in ACTIONS else ""
    return Filters(who.strip(), known, institution.strip(), object.strip(), first, last, wrong)


FiltersOf = Annotated[Filters, Depends(_filters)]


@router.get("/insurer/audit")
def audit(
    request: Request,
    house: HouseOf,
    session: Auditor,
    asked: FiltersOf,
    before: Annotated[int | None, Query(ge=1, le=2**53)] = None,
    verify: bool = False,
) -> Response:
    """Rows, the last first, and whether the chain is whole."""
    log, people = house.accounts.audit, _People.of(house.accounts)
    head = log.head()
    rows = [] if asked.wrong else log.rows(
        **asked.columns(people.ids), before=before, limit=_A_PAGE + 1
    )  # fmt: skip
    verified = log.verify() if verify or head.number <= _VERIFIED_AT_ONCE else None
    _note(house.accounts, session, asked, "page")
    return page(
        request,
        "insurer_audit.html.j2",
        status=422 if asked.wrong else 200,
        asked=asked,
        errors=asked.wrong,
        actions=ACTIONS,
        action_words=action_words,
        rows=[(row, people.name(row.who)) for row in rows[:_A_PAGE]],
        following=asked.query(before=rows[_A_PAGE - 1].number) if len(rows) > _A_PAGE else "",
        begun=before is not None,
        head=head,
        verified=verified,
        wrong_words=WORDS,
    )


@router.get("/insurer/audit.csv")
def audit_csv(house: HouseOf, session: Auditor, asked: FiltersOf) -> Response:
    """The rows that the filters leave, at most a hundred thousand, the last first."""
    people = _People.of(house.accounts)
    _note(house.accounts, session, asked, "csv")
    chosen = asked.columns(people.ids)
    return StreamingResponse(
        _csv(house.accounts, people, chosen),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": 'attachment; filename="audit.csv"'},
    )


@dataclass(frozen=True)
class _People:
    """Who stands behind ids in the log, and the ids by sign-in name."""

    names: dict[str, str]
    ids: dict[str, str]

    @classmethod
    def of(cls, accounts: Accounts) -> _People:
        known = accounts.all_accounts()
        return cls({one.id: one.display for one in known}, {one.name: one.id for one in known})

    def name(self, who: str) -> str:
        return self.names.get(who, "")


def _csv(accounts: Accounts, people: _People, chosen: dict[str, Any]) -> Iterator[bytes]:
    yield "\ufeff".encode() + _line(_HEADER)
    before, told = None, 0
    while told < _MOST_ROWS:
        rows = accounts.audit.rows(**chosen, before=before, limit=_AT_ONCE)
        yield b"".join(_line(_cells(row, people)) for row in rows)
        told += len(rows)
        if len(rows) < _AT_ONCE:
            return
        before = rows[-1].number


def _cells(row: AuditRow, people: _People) -> tuple[str, ...]:
    return (
        str(row.number), row.moment.isoformat(), row.who, people.name(row.who), row.action,
        row.object, row.institution or "", row.detail, row.previous, row.hash,
    )  # fmt: skip


def _line(cells: tuple[str, ...]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerow([neutralised(cell) for cell in cells])
    return text.getvalue().encode()


def _note(accounts: Accounts, session: Session, asked: Filters, shape: str) -> None:
    """That the log itself was looked at."""
    given = {
        name: value
        for name, value in (("who", asked.who), ("action", asked.action),
                            ("institution", asked.institution), ("object", asked.object),
                            ("from", asked.first), ("to", asked.last))
        if value
    }  # fmt: skip
    accounts.audit.append(session.who.id, "audit.seen", shape, detail=given)


def _begin(day: date | None) -> datetime | None:
    return None if day is None else datetime.combine(day, time(), TAIPEI)


def _end(day: date | None) -> datetime | None:
    """The last moment of a day."""
    if day is None:
        return None
    return datetime.combine(day, time(), TAIPEI) + timedelta(1) - timedelta(microseconds=1)
