"""The history of a treatment id: how often it was sent, what became of it, what stands now."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.accounts.sessions import Session
from pipeline.desk.errors import NotThereError, SpecialCodeError
from pipeline.lineage.visit import Trace, Version
from pipeline.report.masking import masked
from pipeline.report.printable import printable
from pipeline.web.house import HouseOf
from pipeline.web.identity import PageSession, page_of
from pipeline.web.portal.forms import SignedForm
from pipeline.web.portal.page import page
from pipeline.web.portal.shown_findings import ShownFinding, shown_finding
from pipeline.web.portal.verdict_words import Headline, Tone
from pipeline.web.portal.words import OUTCOMES, REFILLS
from pipeline.web.problems import not_found
from rules import load_plan
from rules.plan import Plan

router = APIRouter(include_in_schema=False)
_NOT_AN_ID: Final = (
    "treatment-id",
    "就醫識別碼應為 20 碼英文字母與數字",
    "A treatment id has 20 letters and digits",
)
_FORM: Final = re.compile(r"[0-9A-Z]{20}")
_TAKEN: Final = frozenset({"put", "delete", "cancel", "uncancel"})


@dataclass(frozen=True)
class ShownVersion:
    """One record that named the visit, and what became of it."""

    upload_id: str
    record: int
    received_at: datetime
    what: tuple[str, str]
    tone: Tone
    stands: bool
    ended: tuple[str, str] | None
    findings: tuple[ShownFinding, ...]


@dataclass(frozen=True)
class ShownVisit:
    """A history in people's words, its id masked; ``refills`` are (number, state).

    Without ``versions`` the institution sent nothing under the id.
    """

    id: str
    now: Headline | None = None
    versions: tuple[ShownVersion, ...] = ()
    refills: tuple[tuple[int, tuple[str, str]], ...] = ()
    search_note: tuple[str, str] | None = None


@router.get("/visits")
def visits_page(request: Request, _: Annotated[Session, page_of("clinic")]) -> Response:
    """The form; the id is posted, so that no address and no log has it."""
    return _page(request)


@router.post("/visits")
def visits(request: Request, house: HouseOf, form: SignedForm) -> Response:
    """The history of a treatment id at one's own institution; that it was looked at is logged."""
    who = form.session.who
    if who.role != "clinic":
        raise not_found()
    asked = unicodedata.normalize("NFKC", form.text("treatment-id")).replace(" ", "").upper()
    if not _FORM.fullmatch(asked):
        return _page(request, errors=[_NOT_AN_ID], status=422)
    institution = next(iter(who.institutions))
    shown_id = masked("M15", asked) or ""
    house.accounts.audit.append(who.id, "history.seen", shown_id, institution)
    try:
        trace = house.desk.visit(who, institution, asked)
    except SpecialCodeError as special:
        errors = [("treatment-id", special.message_zh, special.message_en)]
        return _page(request, errors=errors, status=422)
    except NotThereError:
        return _page(request, visit=ShownVisit(shown_id))
    return _page(request, visit=shown_visit(trace, load_plan()))


@router.get("/uploads/{upload_id}/records/{number}/visit")
def visit_of_record(
    request: Request, house: HouseOf, session: PageSession, upload_id: str, number: int
) -> Response:
    """The history of the visit that a record names, without its id being asked; logged as well."""
    who = session.who
    record = house.desk.record(who, upload_id, number)
    institution = record.answer.envelope.institution
    house.accounts.audit.append(who.id, "history.seen", upload_id, institution, {"record": number})
    back = f"/uploads/{quote(upload_id, safe='')}/records/{number}"
    try:
        trace = house.desk.visit_of_record(who, upload_id, number)
    except NotThereError:  # it is there, but not in the tables yet
        return _page(request, back=back, soon=True)
    return _page(request, visit=shown_visit(trace, load_plan()), back=back)


def shown_visit(trace: Trace, plan: Plan) -> ShownVisit:
    """A trace in people's words."""
    versions = tuple(_version(trace, one, plan) for one in trace.versions)
    refills = tuple(
        (row["refill"], REFILLS[row["status"]])
        for row in trace.prescriptions
        if row["prescription_id"] == trace.visit.treatment_id
    )
    shown = printable(masked("M15", trace.visit.treatment_id) or "")
    return ShownVisit(shown, _now(trace), versions, refills, _search_note(trace))


def _version(trace: Trace, one: Version, plan: Plan) -> ShownVersion:
    tone: Tone = "good" if one.outcome in _TAKEN else "warn" if one.outcome == "held" else "bad"
    if one.outcome in _TAKEN and one.findings:
        tone = "warn"
    return ShownVersion(
        one.upload["upload_id"],
        one.record,
        one.upload["received_at"],
        OUTCOMES[one.outcome],
        tone,
        one.stands,
        _ended(trace, one),
        tuple(shown_finding(plan, found) for found in one.findings),
    )


def _ended(trace: Trace, one: Version) -> tuple[str, str] | None:
    """By which version this one was ended."""
    if one.ended_by is None:
        return None
    number, by = one.ended_by + 1, trace.versions[one.ended_by]
    if by.outcome == "delete":
        return f"後來由第 {number} 次刪除", f"deleted by no. {number}"
    return f"後來由第 {number} 次取代", f"replaced by no. {number}"


def _now(trace: Trace) -> Headline:
    standing = trace.standing
    if standing is not None:
        number = trace.versions.index(standing) + 1
        return Headline(
            "good",
            f"這筆就醫紀錄現在有效，以第 {number} 次上傳的內容為準",
            f"The visit stands as it was sent the {_ordinal(number)} time",
        )
    if any(one.outcome == "put" for one in trace.versions):
        return Headline(
            "note",
            "這筆就醫紀錄已刪除",
            "The visit has been deleted",
            "若是誤刪，請以正常（A）格式重新上傳。",
            "If that was a mistake, send it again in format A.",
        )
    return Headline(
        "bad",
        "這筆就醫紀錄送過，但還沒有收下",
        "The visit was sent but has not been taken",
        "請看下面最後一次的退件原因，修正後重新上傳。",
        "See below why the last one was rejected, mend it and send it again.",
    )


def _ordinal(number: int) -> str:
    tail = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10)
    return f"{number}{tail or 'th'}"


def _search_note(trace: Trace) -> tuple[str, str] | None:
    """What the list may lack, if it may lack anything."""
    searched = trace.searched
    if searched is None or searched.complete or not searched.uploads:
        return None
    return (
        f"退件紀錄只查了最早的 {searched.looked_in:,} 個上傳（共 {searched.uploads:,} 個）。",
        f"Rejected records were looked for in {searched.looked_in:,} of {searched.uploads:,} "
        "uploads.",
    )


def _page(
    request: Request,
    *,
    visit: ShownVisit | None = None,
    back: str = "",
    soon: bool = False,
    errors: Sequence[tuple[str, str, str]] = (),
    status: int = 200,
) -> Response:
    return page(
        request,
        "visits.html.j2",
        status=status,
        visit=visit,
        back=back,
        soon=soon,
        errors=errors,
    )
