"""EDGE: what machines ask of a worker, by HTTP on a port of its own.

``/metrics`` for Prometheus, ``/healthz`` for whoever restarts it, ``/readyz`` for whoever counts on
it. Nothing there tells of a person; listen where the outside can't ask all the same.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

import orjson

from pipeline.metrics import Metrics, content_type
from pipeline.stream.vitals import Vitals

_SILENT_SECONDS: Final = 10
_JSON: Final = "application/json"

_log = logging.getLogger(__name__)


@contextmanager
def watched(address: tuple[str, int], metrics: Metrics, vitals: Vitals) -> Iterator[int]:
    """Answer on a host and port while inside; gives the port. Raises ``OSError``: it is taken."""

    class Asked(_Asked):
        pass

    Asked.metrics, Asked.vitals = metrics, vitals
    with ThreadingHTTPServer(address, Asked) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, name="watch", daemon=True)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Asked(BaseHTTPRequestHandler):
    """One request."""

    metrics: Metrics
    vitals: Vitals
    timeout = _SILENT_SECONDS

    def do_GET(self) -> None:
        """Answer."""
        path = self.path.partition("?")[0]
        if path == "/metrics":
            accept = self.headers.get("Accept", "")
            self._say(self.metrics.exposition(accept=accept), content_type(accept))
        elif path == "/healthz":
            self._tell("alive", self.vitals.alive())
        elif path == "/readyz":
            self._tell("ready", self.vitals.ready())
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
