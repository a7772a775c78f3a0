"""A way to object storage on which requests are late, cut off, refused, or done and not answered.

What a client must be ready for: no answer says that nothing was done.
"""

from __future__ import annotations

import http.client
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from threading import Lock, Thread
from typing import Final
from urllib.parse import urlsplit

TROUBLES: Final = {
    "late": 6, "cut off before": 2, "cut off after": 2, "500 before": 2, "500 after": 2,
    "slow down": 3, "half an answer": 1,
}  # fmt: skip
_LATEST_SECONDS: Final = 1.5
_OF_HOP: Final = {"connection", "transfer-encoding", "content-length", "keep-alive"}
_TIMEOUT_SECONDS: Final = 60
Answer = tuple[int, list[tuple[str, str]], bytes]


class Way(ThreadingHTTPServer):
    """The way to an endpoint. ``share``: of requests that get into trouble, each of a kind as often
    as ``troubles`` says; ``happened`` counts requests, and troubles by name and method."""

    daemon_threads = True

    def __init__(
        self, endpoint: str, seed: int, share: float, troubles: Mapping[str, int] = TROUBLES
    ) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.to, self.happened = urlsplit(endpoint).netloc, Counter[str]()
        self._share, self._troubles = share, troubles
        self._random, self._lock = Random(seed), Lock()

    @property
    def endpoint(self) -> str:
        """Where clients reach it."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def trouble(self, method: str) -> tuple[str, float]:
        """What happens to the next request, and how late it is."""
        with self._lock:
            self.happened["requests"] += 1
            if self._random.random() >= self._share:
                return "", 0.0
            (name,) = self._random.choices(list(self._troubles), list(self._troubles.values()))
            self.happened[f"{name} {method}"] += 1
            return name, self._random.uniform(0, _LATEST_SECONDS) if name == "late" else 0.0

    def handle_error(self, *_: object) -> None:
        """Clients go when they are killed."""


class _Request(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Way

    def __getattr__(self, name: str) -> Callable[[], None]:
        """What serves a method of HTTP: all alike."""
        if name.startswith("do_"):
            return self._serve
        raise AttributeError(name)

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        trouble, seconds = self.server.trouble(self.command)
        time.sleep(seconds)
        if trouble == "slow down":
            self._answer(503, [], b"<Error><Code>SlowDown</Code></Error>")
        elif trouble == "500 before":
            self._answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        elif trouble == "cut off before":
            self.close_connection = True
        else:
            self._pass(body, trouble)

    def _pass(self, body: bytes, trouble: str) -> None:
        """Have it done, whatever is answered."""
        answer = self._done(body)
        if trouble == "500 after":
            self._answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        elif trouble == "cut off after":
            self.close_connection = True
        else:
            self._answer(*answer, half=trouble == "half an answer")

    def _done(self, body: bytes) -> Answer:
        storage = http.client.HTTPConnection(self.server.to, timeout=_TIMEOUT_SECONDS)
        try:
            storage.request(self.command, self.path, body, dict(self.headers))
            found = storage.getresponse()
            return found.status, found.getheaders(), found.read()
        finally:
            storage.close()

    def _answer(
        self, status: int, headers: list[tuple[str, str]], body: bytes, *, half: bool = False
    ) -> None:
        self.send_response_only(status)
        of_head = [value for name, value in headers if name.lower() == "content-length"]
        size = of_head[0] if self.command == "HEAD" and of_head else str(len(body))
        for name, value in [*headers, ("Content-Length", size)]:
            if name.lower() not in _OF_HOP or value is size:
                self.send_header(name, value)
        self.end_headers()
        if half:
            self.close_connection = True
            body = body[: len(body) // 2]
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def faulty(
    endpoint: str, seed: int, share: float, troubles: Mapping[str, int] = TROUBLES
) -> Iterator[Way]:
    """A way that leads to an endpoint while it is open."""
    with Way(endpoint, seed, share, troubles) as way:
        Thread(target=way.serve_forever, daemon=True).start()
        try:
            yield way
        finally:
            way.shutdown()
