"""The web application: routes of the API, the insurer's envelope and the portal over one house."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match

from pipeline.errors import PipelineError
from pipeline.version import ENGINE
from pipeline.web import api, health, oidc, portal, vnhi
from pipeline.web.body import BoundedBody
from pipeline.web.faults import problem_of
from pipeline.web.house import House
from pipeline.web.identity import SignInNeededError
from pipeline.web.problems import Problem, problem_of_status, problem_response
from pipeline.web.requests import Requests, request_id_of
from pipeline.web.security import KnownHost, Proxied, SecurityHeaders

FOR_PROGRAMS = ("/api/", "/V1000/", "/V2000/", "/healthz", "/readyz", "/metrics")


def create_app(house: House) -> FastAPI:
    """The application over an open house. It neither opens nor closes anything of it."""
    app = FastAPI(
        title="NHI upload 健保卡資料上傳",
        version=ENGINE,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        # FastAPI's own tells paths and queries, which may name a visit or a person.
        telemetry={"tracing": False, "metrics": False, "logs": False},
        generate_unique_id_function=lambda route: route.name,
        middleware=[
            Middleware(SecurityHeaders, doorway=house.doorway),
            Middleware(Requests, fault_page=_our_fault),
            Middleware(Proxied, doorway=house.doorway),
            Middleware(KnownHost, doorway=house.doorway),
            Middleware(BoundedBody, house=house),
        ],
        exception_handlers={
            Problem: _problem,
            PipelineError: _fault,
            HTTPException: _http_exception,
            RequestValidationError: _invalid,
            SignInNeededError: _sign_in,
        },
    )
    app.state.house = house
    for room in (health, api, vnhi, oidc, portal):
        app.include_router(room.router)
    return app


async def _problem(request: Request, problem: Problem) -> Response:
    """A problem in the form that suits who asked: a document, or a page."""
    if request.url.path.startswith(FOR_PROGRAMS):
        return problem_response(problem, request_id_of(request.scope))
    return await portal.error_page(request, problem)


async def _fault(request: Request, fault: PipelineError) -> Response:
    """What a room behind the web raised: a problem of who asked, or ours."""
    problem = problem_of(fault)
    if problem is None:
        raise fault
    return await _problem(request, problem)


async def _our_fault(request: Request) -> Response:
    return await _problem(request, Problem("our-fault"))


async def _http_exception(request: Request, wrong: HTTPException) -> Response:
    headers = dict(wrong.headers or {})
    if wrong.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request))
    return await _problem(request, problem_of_status(wrong.status_code, headers))


def _methods(request: Request) -> list[str]:
    """The methods of a path: routes each know only their own."""
    routes = request.app.routes
    return [
        method
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE")
        if any(r.matches({**request.scope, "method": method})[0] is Match.FULL for r in routes)
    ]


async def _invalid(request: Request, wrong: RequestValidationError) -> Response:
    """Which parameters are wrong and how, without what they held."""
    errors = [
        {
            "in": str(error["loc"][0]),
            "name": ".".join(map(str, error["loc"][1:])),
            "message": error["msg"],
        }
        for error in wrong.errors()
    ]
    return await _problem(request, Problem("invalid-request", extra={"errors": errors}))


async def _sign_in(_: Request, needed: SignInNeededError) -> Response:
    return RedirectResponse(needed.location, 303)
