"""Bodies of requests: how large, how slow and how many at once they may be.

The limits hold for every route, before anything reads the body. Routes that take uploads read it
piece by piece (``receive_upload``), and only of who may use them: so the budget of all together
counts those alone, or nobody's small bodies could use it up.
"""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipeline.ingest.unpack import Arriving, Payload
from pipeline.web.budget import CLOSE, Budget
from pipeline.web.house import House
from pipeline.web.problems import Problem

MOST_BYTES: Final = 1 << 16  # of a body that is no upload; forms and questions are small
TAKES_UPLOADS: Final = frozenset({
    "/api/v1/uploads", "/api/v1/checks", "/send", "/try",
    "/V1000/VNHI_Upload", "/V2000/VNHI_Upload",
})  # fmt: skip
BEYOND: Final = 2  # an upload is read on, to be refused with a receipt, up to twice its limit
IDLE_SECONDS: Final = 20.0
GRACE_SECONDS: Final = 30.0
SLOWEST_BYTES_A_SECOND: Final = 8_192
_INLINE_BYTES: Final = 1 << 16  # more is inflated and hashed in a thread
_GZIP: Final = frozenset({"gzip", "x-gzip"})


class BoundedBody:
    """Bounds the body of every request: its size, its pace, and all of them together.

    Whatever is wrong is raised where the route reads the body, so that it is answered in the
    route's own form, and only to who may use the route.
    """

    def __init__(self, app: ASGIApp, house: House) -> None:
        self._app = app
        self._upload_bytes = BEYOND * house.settings.limits.upload_bytes
        self._budget = house.budget

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = _announced(Headers(scope=scope))
        if scope["path"] in TAKES_UPLOADS:
            body = _Body(receive, announced, self._upload_bytes, self._budget)
        else:
            body = _Body(receive, announced, MOST_BYTES)

        async def closing(message: Message) -> None:
            """A large body that nobody reads isn't waited for."""
            large = announced is None or announced > MOST_BYTES
            if message["type"] == "http.response.start" and large and not body.whole:
                MutableHeaders(scope=message).update(CLOSE)
            await send(message)

        try:
            await self._app(scope, body.receive, closing)
        finally:
            body.give_back()


class _Body:
    """The body of one request as it comes. ``announced`` is its size, None where that is open;
    ``budget`` is that of uploads, None for what is none."""

    def __init__(
        self, receive: Receive, announced: int | None, most: int, budget: Budget | None = None
    ) -> None:
        self._receive = receive
        self._announced = announced
        self._most = most
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self.whole = announced == 0
        self._came = 0

    async def receive(self) -> Message:
        """The next message. Raises ``Problem``: 408 too slow, 413 too large, 503 too many."""
        if self.whole:
            return await self._receive()
        if self._announced is not None and self._announced > self._most:
            raise _too_large(self._most)
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            raise Problem("too-slow", headers=CLOSE) from None
        await asyncio.sleep(0)  # others have their turn, however slow a parser is with what came
        if message["type"] == "http.request":
            self._count(len(message.get("body", b"")))
            self.whole = not message.get("more_body", False)
        return message

    def _count(self, size: int) -> None:
        if self._came + size > self._most:
            raise _too_large(self._most)
        if self._budget is not None:
            self._budget.take(size)
        self._came += size

    def give_back(self) -> None:
        """The request is over."""
        if self._budget is not None:
            self._budget.give_back(self._came)

    def _deadline(self) -> float:
        at_this_pace = self._began + GRACE_SECONDS + self._came / SLOWEST_BYTES_A_SECOND
        return min(self._loop.time() + IDLE_SECONDS, at_this_pace)


async def receive_upload(request: Request, house: House, name: str) -> Payload:
    """The upload that is a request's body, plain or gzip; one that can't be taken is refused.

    Raises ``Problem``: 415 for another encoding or a form with files, 400 for a body that ends
    early, and those of ``BoundedBody``.
    """
    if request.headers.get("content-type", "").strip().lower().startswith("multipart/"):
        raise Problem("unsupported-media")
    arriving = Arriving(name, house.settings.limits, gzip=_is_gzip(request.headers))
    held = 0
    try:
        async for chunk in request.stream():
            if arriving.bytes_kept + len(chunk) > _INLINE_BYTES:
                await run_in_threadpool(arriving.add, chunk)
            else:
                arriving.add(chunk)
            inflated = max(arriving.bytes_kept - held, 0)
            house.budget.take(inflated)
            held += inflated
        if arriving.bytes_kept > _INLINE_BYTES:
            return await run_in_threadpool(arriving.payload)
        return arriving.payload()
    except ClientDisconnect:
        raise Problem("bad-request", "內容未傳完。", "The body ended early.") from None
    finally:
        house.budget.give_back(held)


def _is_gzip(headers: Headers) -> bool:
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding in _GZIP:
        return True
    if encoding != "identity":
        raise Problem("unsupported-media", headers={"Accept-Encoding": "gzip"})
    return False


def _announced(headers: Headers) -> int | None:
    """The size of a body, None where it is sent in chunks."""
    if "transfer-encoding" in headers:
        return None
    length = headers.get("content-length", "")
    return int(length) if length.isdecimal() else 0  # the server refuses what is no number


def _too_large(most: int) -> Problem:
    return Problem(
        "too-large",
        f"內容超過 {most} 位元組，請分成數個較小的上傳檔。",
        f"The body has more than {most} bytes: split it into several smaller uploads.",
        headers=CLOSE,
    )
