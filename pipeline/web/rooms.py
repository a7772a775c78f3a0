"""The rooms of the web, each with routes of its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

from fastapi import FastAPI, Request
from starlette.responses import Response

from pipeline.web.problems import Problem, problem_response
from pipeline.web.requests import request_id_of

ROUTERS = (
    "pipeline.web.health",
    "pipeline.web.api",
    "pipeline.web.vnhi",
    "pipeline.web.oidc",
    "pipeline.web.portal",
)


def furnish(app: FastAPI) -> None:
    """Add every room's routes."""
    for name in ROUTERS:
        if find_spec(name) and hasattr(room := import_module(name), "router"):
            app.include_router(room.router)


async def error_page(request: Request, problem: Problem) -> Response:
    """A problem as a page."""
    if find_spec("pipeline.web.portal"):
        portal = import_module("pipeline.web.portal")
        if hasattr(portal, "error_page"):
            page: Response = await portal.error_page(request, problem)
            return page
    return problem_response(problem, request_id_of(request.scope))
