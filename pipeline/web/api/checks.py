"""The verdict alone: nothing is kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from pipeline.web.api.asking import Trying, each_once
from pipeline.web.api.said import answers, said
from pipeline.web.api.shapes import Receipt
from pipeline.web.api.uploads import UPLOAD_BODY, ContentEncoding
from pipeline.web.api.writing import json_response, masked_verdict
from pipeline.web.body import receive_upload
from pipeline.web.house import HouseOf
from pipeline.web.identity import ApiCaller
from pipeline.web.security import add_headers
from pipeline.web.trials import tried

router = APIRouter(prefix="/api/v1", tags=["checks"], dependencies=[Depends(each_once)])


@router.post(
    "/checks",
    summary="試檢核 Check without sending",
    response_model=None,
    responses=answers(
        200, said("檢核結果。The verdict.", Receipt), "bad-request", "not-allowed", "not-found",
        "too-slow", "too-large", "unsupported-media",
    ),
    openapi_extra=UPLOAD_BODY,
)  # fmt: skip
async def check_upload(
    request: Request,
    house: HouseOf,
    caller: ApiCaller,
    asked: Annotated[Trying, Query()],
    content_encoding: ContentEncoding = None,  # noqa: ARG001  read by receive_upload
) -> Response:
    """只檢核，不收件。The engine that takes uploads in, by the same rules; what needs the visits
    uploaded before is listed in `not_checked`. Counts against the rate of uploads."""
    institution = caller.institution
    add_headers(request.scope, house.rates.count("uploads", institution).headers)
    payload = await receive_upload(request, house, asked.name)
    answer = await tried(house, caller.who, payload, institution, asked.mode)
    return json_response(masked_verdict(answer))
