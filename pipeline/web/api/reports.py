"""The pre-check comparison of an institution, for machines."""

from __future__ import annotations

from typing import Annotated, Final

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from pipeline.report.precheck.comparison_json import institution_json
from pipeline.web.api.asking import Comparing, each_once
from pipeline.web.api.report_shapes import Comparison
from pipeline.web.api.said import answers, said
from pipeline.web.api.writing import json_response
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import ApiCaller, Caller
from rules import load_plan

router = APIRouter(prefix="/api/v1/reports", tags=["reports"], dependencies=[Depends(each_once)])
_AT_ONCE: Final = CapacityLimiter(2)  # each reads a week of visits and uses every core


@router.get(
    "/precheck",
    summary="預檢比對 The 1.0-against-2.0 comparison",
    response_model=None,
    responses=answers(
        200,
        said("之前七天的比對。Of the seven days before.", Comparison),
        "bad-request",
        "not-allowed",
        "not-found",
    ),
)
async def compare_precheck(
    house: HouseOf, caller: ApiCaller, asked: Annotated[Comparing, Query()]
) -> Response:
    """預檢與 1.0 上傳比對，是否達到標準。Nobody's id is in it."""
    return json_response(await run_sync(_comparison, house, caller, asked, limiter=_AT_ONCE))


def _comparison(house: House, caller: Caller, asked: Comparing) -> bytes:
    as_of = asked.as_of or house.clock().date()
    report = house.desk.precheck(caller.who, caller.institution, as_of)
    return institution_json(report, load_plan())
