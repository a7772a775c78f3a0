"""Sending: one file or several, each with its own ticket once its bytes are durable."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, RedirectResponse, Response

from pipeline.accounts.sessions import Session
from pipeline.ingest.unpack import Payload
from pipeline.intake.sender import Sender, Ticket
from pipeline.outcome import Channel, Mode
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import address_of, page_of
from pipeline.web.portal.notices import leave_notice
from pipeline.web.portal.page import page
from pipeline.web.portal.sent_files import FormWithFiles, most_text, payloads_of, signed_files
from pipeline.web.problems import not_found
from pipeline.web.requests import note

router = APIRouter(include_in_schema=False)
_CHANNELS: Final[dict[Mode, Channel]] = {"official": "web-api", "precheck": "vpn"}
"""A page takes pre-checks as the insurer's VPN page does: they don't tell that the institution's
software can send by itself, which is what qualifies. Official uploads in 2.0 have one channel."""
_NO_FILE: Final = ("file", "請選擇要上傳的檔案", "Choose a file")
_DIGEST_CHARACTERS: Final = 16
_NOTED: Final = 20  # upload ids in one line of the access log


@router.get("/send")
def send_page(
    request: Request, house: HouseOf, _: Annotated[Session, page_of("clinic")]
) -> Response:
    """The form."""
    return _form(request, house, request.query_params.get("mode", ""))


@router.post("/send")
async def send(
    request: Request, house: HouseOf, form: Annotated[FormWithFiles, Depends(signed_files)]
) -> Response:
    """Take the files in. One leads to its page, several to the list; a script gets JSON."""
    if form.session.who.role != "clinic":
        raise not_found()
    mode: Mode = "precheck" if form.text("mode") == "precheck" else "official"
    if not form.files:
        return _form(request, house, mode, [_NO_FILE], status=422)
    sender = Sender(
        institution=next(iter(form.session.who.institutions)),
        channel=_CHANNELS[mode],
        mode=mode,
        address=address_of(request) or None,
        by=form.session.who.id,
    )
    tickets = [
        ticket
        for file in form.files
        for ticket in await _take_file(house, file, sender, form.text("key"))
    ]
    note(request.scope, upload_id=" ".join(ticket.upload_id for ticket in tickets[:_NOTED]))
    places = [f"/uploads/{ticket.upload_id}" for ticket in tickets]
    if request.headers.get("accept", "").startswith("application/json"):
        return JSONResponse({"uploads": places}, 202)
    response = RedirectResponse(places[0] if len(places) == 1 else "/uploads", 303)
    if len(places) != 1:
        leave_notice(request, response, "files-received")
    return response


async def _take_file(house: House, file: UploadFile, sender: Sender, key: str) -> list[Ticket]:
    """Every upload of a file through the door, one after the other."""
    tickets = []
    payloads = payloads_of(file, house.settings.limits)
    while (payload := await run_in_threadpool(_next, payloads)) is not None:
        house.rates.count("uploads", sender.institution)
        house.budget.take(len(payload.data))
        try:
            named = replace(sender, name=payload.name)
            tickets.append(
                await run_in_threadpool(
                    house.service.door.take, payload, named, _key(key, named, payload)
                )
            )
        finally:
            house.budget.give_back(len(payload.data))
    return tickets


def _next(payloads: Iterator[Payload]) -> Payload | None:
    return next(payloads, None)


def _key(key: str, sender: Sender, payload: Payload) -> str | None:
    """A form sent twice by a double click is taken once; with another file or mode it is another:
    what was a pre-check is sent officially from the same page."""
    if not (key.isascii() and key.isalnum()):
        return None
    return f"page-{key[:40]}-{sender.mode}-{payload.sha256.hex()[:_DIGEST_CHARACTERS]}"


def _form(
    request: Request,
    house: House,
    mode: str,
    errors: Sequence[tuple[str, str, str]] = (),
    *,
    status: int = 200,
) -> Response:
    return page(
        request,
        "send.html.j2",
        status=status,
        mode="precheck" if mode == "precheck" else "official",
        most=most_text(house),
        most_bytes=house.settings.limits.upload_bytes,
        key=secrets.token_hex(16),
        errors=errors,
    )
