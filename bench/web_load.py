"""Sends uploads to a running service at a steady rate, as a process of its own.

    python -m bench.web_load URL REQUESTS --rate N --seconds N

Open loop: uploads leave when their moment has come, whether or not earlier ones were answered, and
the time of each counts from that moment, so a service that stalls can't hide it. REQUESTS is a file
of whole requests, each after its length (``write_requests``). Prints a JSON object (``Load``).
"""

from __future__ import annotations

import argparse
import asyncio
import mmap
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import orjson
import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_STATUS = re.compile(rb'"status": ?"(\w+)"')
_LENGTH_BYTES = 4
_KEPT_SECONDS = 5.0  # how long a connection is used again; the service hangs up after ten
_PATIENCE = 60.0


@dataclass(frozen=True)
class Load:
    """What came of it. ``millis``: from the moment an upload was due to its answer, in that order.
    ``answers``: how many of each, like "202 done". ``cpu``: seconds of the sending process."""

    millis: list[float]
    answers: dict[str, int]
    wall: float
    cpu: float


def write_requests(requests: Iterable[bytes], path: Path) -> None:
    """The file that this program reads."""
    with path.open("wb") as file:
        for request in requests:
            file.write(len(request).to_bytes(_LENGTH_BYTES, "little") + request)


def read_requests(held: mmap.mmap, first: int) -> Iterator[bytes]:
    """Requests of a file, from the ``first`` on, counted from 0; from the start after the last."""
    at = skipped = 0
    while True:
        stop = at + _LENGTH_BYTES + int.from_bytes(held[at : at + _LENGTH_BYTES], "little")
        if skipped >= first:
            yield held[at + _LENGTH_BYTES : stop]
        skipped += 1
        at = stop if stop < len(held) else 0


class Connections:
    """Connections to one service; each is used by one request at a time, and again after it."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._address = parts.hostname, parts.port
        self._idle: list[tuple[float, asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, request: bytes) -> str:
        """Send a request; gives the status of its answer, and what it says became of the upload."""
        reader, writer = await self._connected()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self._idle.append((time.monotonic(), reader, writer))
        told = _STATUS.search(body)
        return f"{head[9:12].decode()} {told[1].decode() if told else ''}".strip()

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._idle:
            since, reader, writer = self._idle.pop()
            if time.monotonic() - since < _KEPT_SECONDS and not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(*self._address, limit=1 << 20)


async def send(url: str, requests: Iterator[bytes], rate: float, seconds: float) -> Load:
    """Send requests at a rate, for so many seconds; then wait for the last answers."""
    connections, answers = Connections(url), Counter[str]()
    count = round(rate * seconds)
    millis, start = [0.0] * count, time.perf_counter()

    async def one(number: int, due: float, request: bytes) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                answers[await connections.ask(request)] += 1
        except (OSError, EOFError, TimeoutError) as fault:
            answers[type(fault).__name__] += 1
        millis[number] = 1000 * (time.perf_counter() - due)

    async with asyncio.TaskGroup() as sending:
        for number in range(count):
            due = start + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            sending.create_task(one(number, due, next(requests)))
    wall = time.perf_counter() - start
    return Load(millis, dict(answers), wall, time.process_time())


def main() -> None:
    """Send, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("requests", type=Path)
    parser.add_argument("--rate", type=float, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--first", type=int, default=0, help="the first request of the file")
    given = parser.parse_args()
    with (
        given.requests.open("rb") as file,
        mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as held,
    ):
        requests = read_requests(held, given.first)
        load = uvloop.run(send(given.url, requests, given.rate, given.seconds))
    print(orjson.dumps(asdict(load)).decode())


if __name__ == "__main__":
    main()
