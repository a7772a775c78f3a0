"""The history of a visit that the institution uploaded itself."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.report.masking import masked
from pipeline.report.trace_json import TraceJson
from pipeline.web.api.asking import Tracing, each_once
from pipeline.web.api.report_shapes import History
from pipeline.web.api.said import answers, said
from pipeline.web.api.writing import json_response
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import ApiCaller, Caller
from rules import load_plan

router = APIRouter(prefix="/api/v1/visits", tags=["visits"], dependencies=[Depends(each_once)])
_ANSWERS = answers(
    200,
    said("各版本，最早的在前。Its versions, the first first.", History),
    "bad-request",
    "not-allowed",
    "not-found",
)


class VisitAsked(BaseModel):
    """Which visit."""

    model_config = ConfigDict(extra="forbid")

    treatment_id: str = Field(min_length=1, max_length=40, description="就醫識別碼 M15.")


@router.post(
    "/search",
    summary="就醫紀錄歷程 The history of a visit",
    response_model=None,
    responses=_ANSWERS,
)
async def search_visit(
    house: HouseOf,
    caller: ApiCaller,
    visit_asked: VisitAsked,
    asked: Annotated[Tracing, Query()],
) -> Response:
    """依就醫識別碼查詢，識別碼放在內容。Every accepted version of the visit, which one
    stands, and the findings of each; ids masked."""
    return json_response(
        await run_in_threadpool(_history, house, caller, visit_asked.treatment_id, asked)
    )


@router.get(
    "/{treatment_id}",
    summary="就醫紀錄歷程 The same, with the id in the address",
    response_model=None,
    responses=_ANSWERS,
)
async def get_visit(
    house: HouseOf,
    caller: ApiCaller,
    treatment_id: Annotated[str, Path(max_length=40, description="就醫識別碼 M15.")],
    asked: Annotated[Tracing, Query()],
) -> Response:
    """依就醫識別碼查詢。The id stands in the address here, which your own proxy may log: rather use
    the search."""
    return json_response(await run_in_threadpool(_history, house, caller, treatment_id, asked))


def _history(house: House, caller: Caller, treatment_id: str, asked: Tracing) -> bytes:
    institution = caller.institution
    shown_id = masked("M15", treatment_id) or ""
    house.accounts.audit.append(caller.who.id, "history.seen", shown_id, institution)
    trace = house.desk.visit(caller.who, institution, treatment_id, asked.mode)
    return TraceJson(load_plan(), clear=False, xml=False).write(trace)
