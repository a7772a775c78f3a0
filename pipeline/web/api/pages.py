"""The document itself, and pages that explain operations and problems to people."""

from __future__ import annotations

from typing import Any, Final

import orjson
from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from pipeline.web.api.document import document_of
from pipeline.web.api.writing import json_response
from pipeline.web.identity import optional_session
from pipeline.web.portal.page import page
from pipeline.web.problems import KINDS, not_found

router = APIRouter(include_in_schema=False)
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@router.get("/api/openapi.json")
def openapi(request: Request) -> Response:
    """The OpenAPI document."""
    return json_response(orjson.dumps(document_of(request.app)))


@router.get("/api/docs", dependencies=[Depends(optional_session)])
def docs(request: Request) -> Response:
    """Every operation on one page, without scripts."""
    made = document_of(request.app)
    told = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in made["paths"].items()
        for method, operation in methods.items()
        if method in _METHODS
    ]
    groups = [
        (tag["description"], [one for one in told if tag["name"] in one["tags"]])
        for tag in made["tags"]
    ]
    return page(request, "api_docs.html.j2", groups=groups, document=made, written=_written)


@router.get("/problems/{name}", dependencies=[Depends(optional_session)])
def problem_kind(request: Request, name: str) -> Response:
    """What a kind of problem is, and what to do about it: to programs as JSON."""
    kind = KINDS.get(name)
    if kind is None:
        raise not_found()
    if "text/html" in request.headers.get("accept", ""):
        return page(request, "api_problem.html.j2", kind=kind)
    return json_response({
        "type": kind.type, "title": kind.title, "title_zh": kind.title_zh, "status": kind.status,
        "detail": kind.advice, "detail_zh": kind.advice_zh,
    })  # fmt: skip


def _written(value: Any) -> str:
    """An example as it is shown."""
    if isinstance(value, str):
        return value
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
