"""Every request: its id, one line in the access log, and an answer even where we fail.

A line tells the route's template, never the path or query, which may name a visit or a person.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

import orjson
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline import traces
from pipeline.errors import kind_and_place
from pipeline.web.problems import Problem, problem_response

REQUEST_ID: Final = "X-Request-Id"
_SANE_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_FACTS: Final = "nhi.facts"  # in a scope: what the access log tells beside the request itself
_access = logging.getLogger("pipeline.web.access")
_log = logging.getLogger(__name__)


class Requests:
    """Gives every request an id, logs it, and turns our faults into a plain 500.

    ``fault_page`` tells people of one; where it fails too, they get what programs get.
    """

    def __init__(self, app: ASGIApp, fault_page: Callable[[Request], Awaitable[Response]]) -> None:
        self._app = app
        self._fault_page = fault_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["method"] == "HEAD":  # as GET; the server leaves the body out
            scope = {**scope, "method": "GET"}
        headers = Headers(scope=scope)
        facts: dict[str, Any] = {"request": _id_for(headers), "status": 0}
        traces.came_with.set(headers.get("traceparent"))
        scope[_FACTS] = facts
        started = time.perf_counter()

        async def noting(message: Message) -> None:
            if message["type"] == "http.response.start":
                facts["status"] = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = facts["request"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as fault:
            _log.error("request %s failed: %s", facts["request"], kind_and_place(fault))
            if facts["status"]:  # an answer is under way: only breaking it off is honest
                raise
            answer = await self._told(Request(scope), facts["request"])
            await answer(scope, receive, noting)
        finally:
            _tell(scope, facts, time.perf_counter() - started)

    async def _told(self, request: Request, request_id: str) -> Response:
        try:
            return await self._fault_page(request)
        except Exception as fault:
            _log.error("request %s: no page of it: %s", request_id, kind_and_place(fault))
            return problem_response(Problem("our-fault"), request_id)


def request_id_of(scope: Scope) -> str:
    """The id of a request."""
    return str(scope.get(_FACTS, {}).get("request", ""))


def note(scope: MutableMapping[str, Any], **facts: str | None) -> None:
    """Add to a request's line in the access log: ``institution``, ``by`` (account or key id)."""
    scope.get(_FACTS, {}).update(facts)


def _id_for(headers: Headers) -> str:
    given = headers.get(REQUEST_ID, "")
    return given if _SANE_ID.fullmatch(given) else secrets.token_hex(16)


def _tell(scope: Scope, facts: dict[str, Any], seconds: float) -> None:
    route = scope.get("route")
    line = {
        **facts,
        "method": scope["method"],
        "route": getattr(route, "path", None),
        "ms": round(seconds * 1000, 1),
    }
    _access.info("%s", orjson.dumps(line).decode())
