"""EDGE: what machines ask of a process, by HTTP on a port of its own.

``/metrics`` for Prometheus, ``/healthz`` for whoever restarts it, ``/readyz`` for whoever counts on
it. Nothing there tells of a person; listen where the outside can't ask all the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final, Self

import orjson

from pipeline.errors import PipelineError
from pipeline.metrics import Metrics, content_type
from pipeline.stream.vitals import Vitals

_SILENT_SECONDS: Final = 10
_JSON: Final = "application/json"

_log = logging.getLogger(__name__)


class PortTakenError(PipelineError):
    """Nothing can listen there: another process does, or it is no address of this machine."""


@dataclass(frozen=True)
class Answers:
    """What is answered. ``exposition`` gives the metrics in the form an Accept header asks for;
    ``alive`` and ``ready`` give checks by name."""

    exposition: Callable[[str], bytes]
    alive: Callable[[], dict[str, bool]]
    ready: Callable[[], dict[str, bool]]

    @classmethod
    def of(cls, metrics: Metrics, vitals: Vitals) -> Self:
        """Those of a worker."""
        return cls(lambda accept: metrics.exposition(accept=accept), vitals.alive, vitals.ready)


@contextmanager
def watched(address: tuple[str, int], answers: Answers) -> Iterator[int]:
    """Answer on a host and port while inside; gives the port. Raises ``PortTakenError``."""
    try:
        opened = _Server(address, answers)
    except OSError as error:
        host, port = address
        raise PortTakenError(
            f"無法監聽 {host}:{port}（{error.strerror}）", f"{host}:{port}: {error.strerror}"
        ) from error
    with opened as server:
        thread = threading.Thread(target=server.serve_forever, name="watch", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Server(ThreadingHTTPServer):
    """A thread a request, none of which holds the process up."""

    daemon_threads = True

    def __init__(self, address: tuple[str, int], answers: Answers) -> None:
        super().__init__(address, _Asked)
        self.answers = answers


class _Asked(BaseHTTPRequestHandler):
    """One request."""

    server: _Server
    timeout = _SILENT_SECONDS

    def do_GET(self) -> None:
        """Answer."""
        path, answers = self.path.partition("?")[0], self.server.answers
        if path == "/metrics":
            accept = self.headers.get("Accept", "")
            self._say(answers.exposition(accept), content_type(accept))
        elif path == "/healthz":
            self._tell("alive", answers.alive())
        elif path == "/readyz":
            self._tell("ready", answers.ready())
        else:
            self.send_error(HTTPStatus.NOT_FOUND)

    def _tell(self, well: str, checks: dict[str, bool]) -> None:
        good = bool(checks) and all(checks.values())
        said = orjson.dumps({"status": well if good else f"not-{well}", "checks": checks})
        self._say(said, _JSON, HTTPStatus.OK if good else HTTPStatus.SERVICE_UNAVAILABLE)

    def _say(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """To the log, where wanted."""
        _log.debug(format, *args)
