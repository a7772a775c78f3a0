"""What traces cost: CPU of the workers of a stream without them, by the share sampled.

    python -m bench.traces [--uploads N]

Uploads of ten records each through one process of ``validate`` and one of ``merge``, spans to a
collector that reads and forgets them. Some two minutes on two quiet cores.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from unittest.mock import patch

from bench.kafka import broker
from bench.stream import WARMING, Place
from bench.stream_cost import Load, together
from bench.ten_records import TEN

SHARES = (None, 0.0, 0.1, 1.0)
JOBS = ("validate", "merge")


class _Sink(BaseHTTPRequestHandler):
    """Reads and forgets."""

    taken = 0

    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.rfile.read(size)
        _Sink.taken += size
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@contextmanager
def _collecting() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def main(uploads: int) -> Iterator[str]:
    """The table."""
    yield "| sampled | validate | merge | both | kB sent |"
    yield "|---|--:|--:|--:|--:|"
    with tempfile.TemporaryDirectory() as folder, _collecting() as url:
        kafka = broker(Path(folder, "kafka"))
        place = Place(kafka, Path(folder), uploads / 3_000)
        try:
            for share in SHARES:
                name = "off" if share is None else f"{100 * share:.0f} %"
                asked = {} if share is None else {
                    "OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_TRACES_SAMPLER": "traceidratio",
                    "OTEL_TRACES_SAMPLER_ARG": str(share),
                }  # fmt: skip
                payloads = place.tens(uploads)
                size = sum(len(one.data) for one in payloads)
                load, before = Load(name, payloads, size, TEN * uploads), _Sink.taken
                with patch.dict(os.environ, asked):
                    rig = place.rig(f"traces-{share}")
                    rate = together(rig, load, place.tens(WARMING), JOBS)
                spent = [cost.cpu for cost in rate.costs if cost.role in JOBS]
                cpu = [f"{1000 * one / uploads:.2f}" for one in (*spent, rate.cpu)]
                sent = (_Sink.taken - before) / uploads  # bytes an upload, or kB a thousand
                yield f"| {name} | {' | '.join(cpu)} | {sent:,.0f} |"
        finally:
            kafka.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.traces", description=__doc__)
    parser.add_argument("--uploads", type=int, default=2_000)
    for line in main(parser.parse_args().uploads):
        print(line, flush=True)
