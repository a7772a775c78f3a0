"""What every answer carries and every request must pass: security headers, the host's name,
proxies in front."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from pipeline.web.house import Doorway
from pipeline.web.problems import Problem, problem_response
from pipeline.web.requests import request_id_of

CONTENT_SECURITY_POLICY: Final = "; ".join((
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_TRANSPORT_SECURITY: Final = "max-age=31536000; includeSubDomains"
_ADDED: Final = "nhi.headers"  # in a scope: further headers of its answer, whatever that is
PROXIED: Final = "nhi.proxied"  # in a scope: the request came through a proxy we trust


class SecurityHeaders:
    """Adds the security headers to every answer; what a route set itself is left as it is.

    Everything is ``no-store`` unless its route says otherwise (static files do).
    """

    def __init__(self, app: ASGIApp, doorway: Doorway) -> None:
        self._app = app
        self._doorway = doorway

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (*_HEADERS.items(), *scope.get(_ADDED, {}).items()):
                    headers.setdefault(name, value)
                if self._doorway.https:
                    headers.setdefault("Strict-Transport-Security", _TRANSPORT_SECURITY)
            await send(message)

        await self._app(scope, receive, with_headers)


class KnownHost:
    """Answers only under the names the service is published under: a page that another name
    leads here can't use a browser's way in (DNS rebinding)."""

    def __init__(self, app: ASGIApp, doorway: Doorway) -> None:
        self._app = app
        self._hosts = doorway.hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 421."""
        if scope["type"] == "http" and self._hosts:
            host = _name(Headers(scope=scope).get("host", ""))
            if host not in self._hosts and scope["path"] not in ("/healthz", "/readyz"):
                answer = problem_response(Problem("wrong-host"), request_id_of(scope))
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class Proxied:
    """Takes address and scheme from a trusted proxy, and marks what came through one.

    A header that only a proxy may set counts for nothing where ``scope[PROXIED]`` is not true.
    """

    def __init__(self, app: ASGIApp, doorway: Doorway) -> None:
        self._app = app
        self._believing = ProxyHeadersMiddleware(self._marked, list(doorway.proxies))  # type: ignore[arg-type]
        self._trusted = self._believing.trusted_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        address = (scope.get("client") or ("",))[0]
        scope[PROXIED] = address in self._trusted
        await self._believing(scope, receive, send)  # type: ignore[arg-type]

    async def _marked(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


def add_headers(scope: Scope, headers: Mapping[str, str]) -> None:
    """Let a request's answer carry these, whichever answer it gets."""
    scope.setdefault(_ADDED, {}).update(headers)


def came_through_proxy(scope: Scope) -> bool:
    """Whether a trusted proxy passed this request on, so that its own headers may be believed."""
    return bool(scope.get(PROXIED))


def _name(host: str) -> str:
    """A Host header's name in lower case, without its port; of IPv6 without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
