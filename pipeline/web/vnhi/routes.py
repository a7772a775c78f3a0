"""``VNHI_Upload`` and ``VNHI_Download``, under the paths of both generations of clients.

Every answer has every key of its kind, in ASCII, since clients read them unasked and some decode
Big5. What is wrong with the transport (too large, too often) has its HTTP status besides.
"""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import wraps
from typing import Final

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from pipeline.accounts.who import Who
from pipeline.desk.errors import DownloadEndedError, NotThereError
from pipeline.ingest.unpack import read_plain
from pipeline.intake.sender import DoorClosedError, Sender
from pipeline.web.budget import CLOSE
from pipeline.web.downloads import NotReadyError, available, log_download
from pipeline.web.house import House, HouseOf
from pipeline.web.problems import Problem
from pipeline.web.vnhi.caller import Connection, connection_of, told
from pipeline.web.vnhi.codes import (
    ACCEPTED,
    MODES,
    NOT_READY,
    OTHER,
    TEST,
    WRONG_SAM,
    VnhiError,
    wrong_type,
)
from pipeline.web.vnhi.envelope import (
    DownloadRequest,
    Members,
    UploadRequest,
    most_body_bytes,
    read_download,
    read_identity,
    read_upload,
)
from pipeline.web.vnhi.opcode import NO_UPLOAD, opcode_of, padded, read_opcode
from pipeline.web.vnhi.result import result_json, test_result_json

router = APIRouter(include_in_schema=False)
_NAME: Final = "VNHI_Upload.xml"
_MOST_QUESTION_BYTES: Final = 64 * 1024
_NO_OPCODE: Final = ("查無此 Opcode 的上傳。", "There is no upload of this Opcode.")
Route = Callable[[Request, HouseOf], Awaitable[Response]]


def _answering(key: str) -> Callable[[Route], Route]:
    """Tell what went wrong as the envelope does: ``RtnCode``, and ``key`` empty."""

    def around(route: Route) -> Route:
        @wraps(route)
        async def answering(request: Request, house: HouseOf) -> Response:
            try:
                return await route(request, house)
            except VnhiError as wrong:
                return _said({"RtnCode": wrong.code, key: "", "RtnMsg": wrong.message})
            except Problem as wrong:
                said = {"RtnCode": OTHER, key: "", "RtnMsg": f"{wrong.detail_zh} {wrong.detail}"}
                return _said(said, wrong.kind.status, wrong.headers)

        return answering

    return around


@router.post("/V1000/VNHI_Upload")
@router.post("/V2000/VNHI_Upload")
@_answering("Opcode")
async def upload(request: Request, house: HouseOf) -> Response:
    """Take an upload (A1, A2) or test the connection (ZZ); the Opcode is given once it is kept."""
    connection = await connection_of(request, house)
    async with _body(request, house, most_body_bytes(house.settings.limits)) as body:
        asked, who = await run_in_threadpool(_read_upload, body, connection)
        told(request, who)
        house.rates.count("uploads", asked.identity.institution)
        opcode = await run_in_threadpool(_taken, house, asked, who, connection.address)
    return _said({"RtnCode": ACCEPTED, "Opcode": opcode})


@router.post("/V1000/VNHI_Download")
@router.post("/V2000/VNHI_Download")
@_answering("tx_result_json")
async def download(request: Request, house: HouseOf) -> Response:
    """The answer to an upload by its Opcode; 5002 while there is none."""
    connection = await connection_of(request, house)
    async with _body(request, house, _MOST_QUESTION_BYTES) as body:
        members = Members(body)
    identity = read_identity(members)
    who = connection.who(identity.institution)
    told(request, who)
    house.rates.count("requests", identity.institution)
    asked = read_download(members, identity)
    result = await run_in_threadpool(_result, house, asked, who)
    return _said({"RtnCode": ACCEPTED, "tx_result_json": result})


def _read_upload(body: bytearray, connection: Connection) -> tuple[UploadRequest, Who]:
    members = Members(body)
    body.clear()
    identity = read_identity(members)
    who = connection.who(identity.institution)
    return read_upload(members, identity), who


def _taken(house: House, asked: UploadRequest, who: Who, address: str) -> str:
    """Keep an upload for good; gives its Opcode."""
    identity = asked.identity
    if identity.type == TEST:
        opcode = opcode_of(house.clock(), identity.institution, identity.sam, NO_UPLOAD)
        return str(opcode)
    payload = read_plain(io.BytesIO(asked.data), _NAME, house.settings.limits)
    sender = Sender(
        identity.institution, "web-api", MODES[identity.type], _NAME, address or None, who.id
    )
    try:
        ticket = house.service.door.take(payload, sender)
    except DoorClosedError as closed:
        retry = {"Retry-After": str(closed.retry_seconds)}
        raise Problem("closed", closed.message_zh, closed.message_en, headers=retry) from None
    opcode = opcode_of(ticket.received_at, identity.institution, identity.sam, ticket.upload_id)
    return str(opcode)


def _result(house: House, asked: DownloadRequest, who: Who) -> str:
    """``tx_result_json`` of an upload of theirs."""
    identity, opcode = asked.identity, read_opcode(asked.opcode)
    if opcode is None or opcode.institution != identity.institution:
        raise VnhiError(OTHER, *_NO_OPCODE)
    if (identity.type == TEST) != (opcode.upload_id == NO_UPLOAD):
        raise wrong_type()
    if identity.type == TEST:
        return test_result_json()
    try:
        found = house.desk.receipt(who, opcode.upload_id)
    except NotThereError:
        raise VnhiError(OTHER, *_NO_OPCODE) from None
    if MODES[identity.type] != found.row["mode"]:
        raise wrong_type()
    if padded(identity.sam) != opcode.sam:
        raise VnhiError(WRONG_SAM, "安全模組卡與上傳時不符。", "Not the SAM of the upload.")
    try:
        answer = available(who, found)
    except NotReadyError as waiting:
        raise VnhiError(NOT_READY, waiting.message_zh, waiting.message_en) from None
    except DownloadEndedError as ended:
        raise VnhiError(OTHER, ended.message_zh, ended.message_en) from None
    told = result_json(answer, found.upload_id)
    log_download(house, who, found, shape="vnhi")
    return told


@asynccontextmanager
async def _body(request: Request, house: House, most: int) -> AsyncIterator[bytearray]:
    """A request's body of at most so many bytes; what is decoded of it counts as held, too."""
    body = bytearray()
    try:
        async for chunk in request.stream():
            if len(body) + len(chunk) > most:
                raise Problem("too-large", headers=CLOSE)
            body += chunk
    except ClientDisconnect:
        raise Problem("bad-request", "內容未傳完。", "The body ended early.") from None
    held = len(body)
    house.budget.take(held)
    try:
        yield body
    finally:
        house.budget.give_back(held)


def _said(
    members: Mapping[str, str], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(json.dumps(dict(members)), status, headers, "application/json")
