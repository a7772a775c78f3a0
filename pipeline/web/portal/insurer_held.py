"""Uploads that wait since they would delete much: looked at, released or dropped."""

from __future__ import annotations

from typing import Final, cast
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pipeline.accounts.held import note_decision
from pipeline.accounts.who import Who
from pipeline.outcome import Decision
from pipeline.report.held_words import HeldUpload
from pipeline.web.house import House, HouseOf
from pipeline.web.portal.insurer import Insurer, InsurerForm
from pipeline.web.portal.notices import leave_notice
from pipeline.web.portal.page import page
from pipeline.web.portal.words import SHORT_CHANNELS
from pipeline.web.problems import not_found

router = APIRouter(include_in_schema=False)
_DONE: Final[dict[Decision, str]] = {"release": "released", "drop": "dropped"}
_MOST_REASON: Final = 300
_LEAST_REASON: Final = 5


@router.get("/insurer/held")
def held(request: Request, house: HouseOf, session: Insurer) -> Response:
    """What waits, in order of receipt."""
    return page(request, "insurer_held.html.j2", held=house.desk.held(session.who))


@router.get("/insurer/held/{upload_id}")
def held_one(request: Request, house: HouseOf, session: Insurer, upload_id: str) -> Response:
    """One of them, with what somebody who may decide has to know."""
    one = _among_held(house, session.who, upload_id)
    if one is None:
        return _decided_before(request, house, session.who, upload_id)
    return _page(request, one)


@router.post("/insurer/held/{upload_id}")
def decide(request: Request, house: HouseOf, form: InsurerForm, upload_id: str) -> Response:
    """First asked once more; decided when that form comes back. Who and why is in the audit log."""
    who = form.session.who
    if who.role != "insurer":
        raise not_found()
    decision, reason = form.text("decision"), form.text("reason")[:_MOST_REASON]
    one = _among_held(house, who, upload_id)
    if one is None:
        return _decided_before(request, house, who, upload_id)
    errors = _errors(decision, reason)
    if errors:
        return _page(request, one, decision=decision, reason=reason, errors=errors, status=422)
    if not form.text("confirmed"):
        return _page(request, one, decision=decision, reason=reason, confirming=True)
    chosen = cast(Decision, decision)
    before = house.desk.decide_held(who, upload_id, chosen)
    if before != "held":
        return _decided_before(request, house, who, upload_id)
    note_decision(house.accounts.audit, who.id, chosen, one.decisions[0], {"reason": reason})
    return _back(request, _DONE[chosen])


def _among_held(house: House, who: Who, upload_id: str) -> HeldUpload | None:
    waiting = (one for one in house.desk.held(who) if one.upload["upload_id"] == upload_id)
    return next(waiting, None)


def _decided_before(request: Request, house: House, who: Who, upload_id: str) -> Response:
    """Somebody else was quicker; 404 where there never was such an upload."""
    house.desk.receipt(who, upload_id)
    return _back(request, "decided-before")


def _back(request: Request, notice: str) -> Response:
    response = RedirectResponse("/insurer/held", 303)
    leave_notice(request, response, notice)
    return response


def _errors(decision: str, reason: str) -> list[tuple[str, str, str]]:
    wrong = []
    if decision not in _DONE:
        wrong.append(("decision-release", "請選擇放行或作廢", "Choose to release or to drop it"))
    if len(reason) < _LEAST_REASON:
        wrong.append(("reason", "請寫下理由，例如向誰確認", "Say why, such as who confirmed it"))
    return wrong


def _page(
    request: Request,
    one: HeldUpload,
    *,
    decision: str = "",
    reason: str = "",
    confirming: bool = False,
    errors: list[tuple[str, str, str]] | None = None,
    status: int = 200,
) -> Response:
    upload_id = str(one.upload["upload_id"])
    return page(
        request,
        "insurer_held_one.html.j2",
        status=status,
        one=one,
        hold=one.decisions[0],
        here=f"/insurer/held/{quote(upload_id, safe='')}",
        channels=SHORT_CHANNELS,
        decision=decision,
        reason=reason,
        confirming=confirming,
        errors=errors or [],
    )
