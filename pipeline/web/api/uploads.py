"""Uploads: send one, ask what became of it, list them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.desk.receipts import Receipt
from pipeline.intake.sender import Sender
from pipeline.web.api.asking import Listing, Prefer, Sending, Waiting, each_once, seconds_to_wait
from pipeline.web.api.said import answers, said
from pipeline.web.api.shapes import Taken, Upload, UploadList
from pipeline.web.api.writing import json_response, listed_json, taken_json, upload_json
from pipeline.web.body import receive_upload
from pipeline.web.house import HouseOf
from pipeline.web.identity import ApiCaller, address_of
from pipeline.web.requests import note
from pipeline.web.security import add_headers

router = APIRouter(prefix="/api/v1", tags=["uploads"], dependencies=[Depends(each_once)])

WAITING: Final = "waiting"
A_WEEK: Final = timedelta(days=6)
UploadIdPath = Annotated[str, Path(max_length=64, description="上傳編號。The upload's id.")]
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="自訂，每個上傳一個；以相同內容重送會得到第一次的回應。Of your choice, one an "
        "upload, of visible ASCII. Sent again with the same bytes and mode, it gets the first "
        "answer again.",
    ),
]
ContentEncoding = Annotated[
    str | None,
    Header(
        alias="Content-Encoding",
        description="內容經 gzip 壓縮時為 `gzip`。`gzip`, if the body is compressed.",
        json_schema_extra={"enum": ["gzip", "identity"]},
    ),
]
_XML: Final = {"schema": {"type": "string", "format": "binary"}}
UPLOAD_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "上傳檔本身（Big5），不是表單。The XML in Big5 as the format demands, "
        "plain or (with `Content-Encoding: gzip`) compressed. Sent as it stands, not as a form.",
        "content": {"application/xml": _XML, "text/xml": _XML, "application/octet-stream": _XML},
    }
}


@router.post(
    "/uploads",
    status_code=202,
    summary="上傳 Send an upload",
    response_model=None,
    responses=answers(
        202,
        said(
            "資料已寫入磁碟，必有回條。The bytes are durable: whatever happens, the upload gets a "
            "receipt under this id.",
            Taken,
            Location="Where its receipt is.",
            Idempotent_Replayed="`true` where this Idempotency-Key was taken before.",
            Preference_Applied="`wait=N`, where waiting was asked for by `Prefer`.",
        ),
        "bad-request", "not-allowed", "not-found", "too-slow", "too-large", "unsupported-media",
        "key-reused",
    ),
    openapi_extra=UPLOAD_BODY,
)  # fmt: skip
async def send_upload(
    request: Request,
    house: HouseOf,
    caller: ApiCaller,
    asked: Annotated[Sending, Query()],
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
    content_encoding: ContentEncoding = None,  # noqa: ARG001  read by receive_upload
) -> Response:
    """送出一個上傳檔。One upload is one document.

    `202` is answered once its bytes are on disk; the verdict follows within moments: wait for it
    with `?wait=` (or `Prefer: wait=`), or ask at `Location`. What can't be unpacked is an upload,
    too, and refused with a receipt.
    """
    institution = caller.institution
    standing = house.rates.count("uploads", institution)
    add_headers(request.scope, standing.headers)
    payload = await receive_upload(request, house, asked.name)
    sender = Sender(
        institution, "web-api", asked.mode, asked.name, address_of(request) or None, caller.who.id
    )
    ticket = await run_in_threadpool(house.service.door.take, payload, sender, idempotency_key)
    note(request.scope, upload_id=ticket.upload_id)
    wait = seconds_to_wait(asked.wait, prefer)
    receipt = None
    if ticket.again or (wait and await house.service.outcomes.told(ticket.upload_id, wait)):
        receipt = await run_in_threadpool(house.desk.receipt, caller.who, ticket.upload_id)
    headers = {"Location": f"/api/v1/uploads/{ticket.upload_id}"}
    if ticket.again:
        headers["Idempotent-Replayed"] = "true"
    if prefer and wait:
        headers["Preference-Applied"] = f"wait={wait}"
    return json_response(taken_json(ticket.upload_id, ticket.received_at, receipt), 202, headers)


@router.get(
    "/uploads/{upload_id}",
    summary="回條 The receipt of an upload",
    response_model=None,
    responses=answers(200, said("上傳與結果。What became of it.", Upload), "not-found"),
)
async def get_upload(
    house: HouseOf,
    caller: ApiCaller,
    upload_id: UploadIdPath,
    asked: Annotated[Waiting, Query()],
    prefer: Prefer = None,
) -> Response:
    """查詢一個上傳檔的檢核結果。Personal values are masked; the downloads have them in clear."""
    found: Receipt = await run_in_threadpool(house.desk.receipt, caller.who, upload_id)
    wait = seconds_to_wait(asked.wait, prefer)
    if found.state == WAITING and wait and await house.service.outcomes.told(found.upload_id, wait):
        found = await run_in_threadpool(house.desk.receipt, caller.who, upload_id)
    return json_response(upload_json(found))


@router.get(
    "/uploads",
    summary="上傳結果 The uploads of some days",
    response_model=None,
    responses=answers(
        200,
        said("最近的在前。The last first.", UploadList),
        "bad-request",
        "not-allowed",
        "not-found",
    ),
)
async def list_uploads(
    house: HouseOf, caller: ApiCaller, asked: Annotated[Listing, Query()]
) -> Response:
    """依收件日期查詢上傳結果。Uploads by day of receipt, redeliveries left out."""
    institution = caller.institution
    last = asked.to or house.clock().date()
    first = asked.from_ or last - A_WEEK
    results = await run_in_threadpool(
        house.desk.results, caller.who, institution, first, last, mode=asked.mode,
        status=asked.status, limit=asked.limit, after=asked.cursor,
    )  # fmt: skip
    return json_response({
        "institution": institution,
        "from": first.isoformat(),
        "to": last.isoformat(),
        "uploads": [listed_json(row) for row in results.uploads],
        "cursor": results.cursor,
    })  # fmt: skip
