"""The server: Uvicorn over one application, on a socket that is already ours."""

from __future__ import annotations

import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from pipeline.web.protocol import BoundedHead

MOST_CONNECTIONS: Final = 2_000  # beyond these 503, so that memory has its bounds
IDLE_SECONDS: Final = 10  # between two requests of a connection
PATIENCE_SECONDS: Final = 30  # for requests under way when the service is stopped


@dataclass(frozen=True)
class Listening:
    """Where the service listens, and its certificate where it speaks https itself."""

    socket: socket.socket
    certificate: Path | None = None
    key: Path | None = None

    @property
    def port(self) -> int:
        """The port, also where the machine chose it."""
        return int(self.socket.getsockname()[1])


def listen(host: str, port: int) -> socket.socket:
    """A socket of ours. Raises ``OSError``: no such address, or taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=1024)


def configuration(
    app: ASGIApp, certificate: Path | None = None, key: Path | None = None
) -> uvicorn.Config:
    """How Uvicorn serves an application here: bounded everywhere, silent about itself."""
    return uvicorn.Config(
        app,
        http=BoundedHead,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=PATIENCE_SECONDS,
        ssl_certfile=certificate,
        ssl_keyfile=key,
    )


def serve(app: ASGIApp, listening: Listening, ready: Callable[[], None]) -> None:
    """Answer requests until SIGTERM or SIGINT, then let those under way end.

    ``ready`` is called once requests are answered.
    """
    for known in (signal.SIGTERM, signal.SIGINT):
        signal.signal(known, _heard)  # Uvicorn raises them again once it has stopped
    config = configuration(app, listening.certificate, listening.key)
    _Server(config, ready).run([listening.socket])


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()


def _heard(number: int, frame: object) -> None:
    """A signal that was answered by stopping."""
