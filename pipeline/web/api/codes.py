"""What an error code means. Needs no credential: it is in the insurer's own documents."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from pipeline.report.catalogue.search import catalogue
from pipeline.report.explanation import Explanation, explanation_json
from pipeline.web.api.report_shapes import Code
from pipeline.web.api.said import answers, said
from pipeline.web.api.writing import json_response
from pipeline.web.house import HouseOf
from pipeline.web.identity import address_of
from pipeline.web.problems import not_found
from pipeline.web.security import add_headers

router = APIRouter(prefix="/api/v1/codes", tags=["codes"])


@router.get(
    "/{code}",
    summary="錯誤代碼 What an error code means",
    response_model=None,
    responses=answers(
        200, said("意義與規則。The code, and the rules that answer with it.", Code), "not-found"
    ),
)
def explain_code(
    request: Request,
    house: HouseOf,
    code: Annotated[str, Path(max_length=20, description="`AA`, or of a field `M15:AA`.")],
) -> Response:
    """錯誤代碼的意義與處理方式。"""
    add_headers(request.scope, house.rates.count("requests", address_of(request)).headers)
    known = catalogue()
    named = known.asked(code)
    if len(named) != 1:
        raise not_found()
    entry, field = known.by_code[named[0].code], named[0].field
    explained = Explanation(entry, field, known.families(entry, field))
    return json_response(explanation_json(explained))
