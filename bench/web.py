"""The web service under load: ``python -m bench.web [--seconds N]``.

``nhi-upload serve`` on a new store, an API key for each of some hundred institutions, and uploads
of ten records that ask to be told the verdict (``Prefer: wait``), from a process of its own. First
at the rate of the budget: alone, with commits made all the while, and with lists being read and the
nightly reports made. Then faster and faster, until it is too much; and without waiting for the
verdict, until which rate uploads get their tickets.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import quantiles

import httpx
import orjson

from bench.ten_records import Small, tens
from bench.web_load import Load, write_requests
from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.who import OPERATOR
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI

BUDGET_RATE, BUDGET_MILLIS = 100.0, 200.0
FASTER = (150, 200, 300, 400, 600, 800)
STEP_SECONDS, TOO_LONG_MILLIS = 10.0, 1_000.0
COMMIT_SECONDS = 10
SEED = 61
_READY = re.compile(r"ready: (https?://\S+)")
_TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Serving:
    """A running service: where, its store, its process, a key of some institution."""

    url: str
    store: Path
    process: int
    key: str
    requests: Path
    hasty: Path

    @property
    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self.process}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICK

    @property
    def queued(self) -> float:
        """Seconds that its first thread, the one that talks to clients, wanted a core and had to
        wait since others had them: what a machine of its own would not show."""
        return int(Path(f"/proc/{self.process}/schedstat").read_text().split()[1]) / 1e9


@dataclass
class Sender:
    """Sends the requests of a service on, each once."""

    serving: Serving
    first: int = 0

    def send(self, what: str, rate: float, seconds: float, *, hasty: bool = False) -> Load:
        """Send at a rate and print a row of the table. ``hasty``: without asking for verdicts."""
        file = self.serving.hasty if hasty else self.serving.requests
        command = [
            sys.executable, "-m", "bench.web_load", self.serving.url, str(file),
            "--rate", str(rate), "--seconds", str(seconds), "--first", str(self.first),
        ]  # fmt: skip
        before, waited = self.serving.cpu, self.serving.queued
        said = subprocess.run(command, check=True, capture_output=True)
        used, queued = self.serving.cpu - before, self.serving.queued - waited
        load = Load(**orjson.loads(said.stdout))
        self.first += len(load.millis)
        cut = quantiles(load.millis, n=100, method="inclusive")
        figures = " | ".join(f"{t:,.0f}" for t in (cut[49], cut[94], cut[98], max(load.millis)))
        answers = ", ".join(f"{count:,} × {answer}" for answer, count in load.answers.items())
        print(
            f"| {what} | {len(load.millis) / load.wall:,.0f} | {figures} "
            f"| {1000 * used / len(load.millis):.1f} | {100 * used / load.wall:.0f} % "
            f"| {100 * queued / load.wall:.0f} % "
            f"| {100 * load.cpu / load.wall:.0f} % | {answers} |",
            flush=True,
        )
        return load


def request(small: Small, key: str, *, wait: bool) -> bytes:
    """The whole request of an upload."""
    lines = [
        "POST /api/v1/uploads HTTP/1.1", "Host: localhost", "Content-Type: application/xml",
        f"Authorization: Bearer {key}", f"Content-Length: {len(small.payload)}",
        *(["Prefer: wait=30"] if wait else []), "", "",
    ]  # fmt: skip
    return "\r\n".join(lines).encode() + small.payload


@contextmanager
def serving(folder: Path, uploads: int) -> Iterator[Serving]:
    """Start the service on a new store, with the uploads to send it made."""
    store, settings = folder / "store", Settings(accounts_url=f"sqlite:///{folder}/accounts.sqlite")
    as_of = datetime.now(TAIPEI).replace(microsecond=0)
    made = tens(uploads, SEED, as_of, folder / "made")
    with open_accounts(accounts_url(settings, str(store))) as accounts:
        senders = sorted({small.institution for small in made})
        keys = {one: accounts.create_key(OPERATOR, [one], "bench") for one in senders}
    print(f"{len(made):,} uploads of {len(senders)} institutions", file=sys.stderr)
    for name, wait in (("waiting", True), ("hasty", False)):
        write_requests(
            (request(small, keys[small.institution], wait=wait) for small in made), folder / name
        )
    environment = os.environ | {
        "NHI_UPLOAD_ACCOUNTS_URL": str(settings.accounts_url),
        "NHI_UPLOAD_RATE_UPLOADS": "1000000/minute", "NHI_UPLOAD_RATE_REQUESTS": "1000000/minute",
    }  # fmt: skip
    command = [
        sys.executable, "-m", "pipeline", "serve", "--store", str(store), "--port", "0",
        "--commit-seconds", str(COMMIT_SECONDS),
    ]  # fmt: skip
    with (folder / "log").open("w+") as log:
        running = subprocess.Popen(command, stderr=log, env=environment)
        try:
            url = _ready(running, folder / "log")
            key = keys[senders[0]]
            yield Serving(url, store, running.pid, key, folder / "waiting", folder / "hasty")
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait()


def _ready(running: subprocess.Popen[bytes], log: Path) -> str:
    while running.poll() is None:
        if found := _READY.search(log.read_text()):
            return found[1]
        time.sleep(0.1)
    raise RuntimeError(log.read_text())


@contextmanager
def questions(serving: Serving) -> Iterator[None]:
    """Result lists asked for ten times a second, and the nightly reports made, meanwhile."""
    ended = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=serving.url, timeout=60) as client:
            client.headers["Authorization"] = f"Bearer {serving.key}"
            while not ended.wait(0.1):
                client.get("/api/v1/uploads").raise_for_status()

    def report() -> None:
        out = serving.store.parent / "reports"
        command = ["nice", sys.executable, "-m", "pipeline", "report", "nightly", "--store",
                   str(serving.store), "--out", str(out), "--again"]  # fmt: skip
        while not ended.is_set():
            subprocess.run(command, check=True, capture_output=True)
            ended.wait(1)

    threads = [threading.Thread(target=ask), threading.Thread(target=report)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def faster(sender: Sender, rates: Sequence[float], *, hasty: bool) -> None:
    """Faster and faster, until it takes too long."""
    for rate in rates:
        what = f"{rate:.0f}/s, {'tickets only' if hasty else 'verdicts'}"
        load = sender.send(what, rate, STEP_SECONDS, hasty=hasty)
        if quantiles(load.millis, n=100)[98] > TOO_LONG_MILLIS:
            break


def main(seconds: float, uploads: int) -> None:
    """Print the table for ``bench/README.md``."""
    with (
        tempfile.TemporaryDirectory(prefix="nhi-upload-web-") as folder,
        serving(Path(folder), uploads) as service,
    ):
        sender = Sender(service)
        print(
            "| | uploads/s | ms, median | 95th | 99th | longest "
            "| CPU ms each | server | queued | client | answers |"
        )
        print("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|")
        sender.send("20/s, to warm up", 20, 5)
        sender.send(f"{BUDGET_RATE:.0f}/s, commits every {COMMIT_SECONDS} s", BUDGET_RATE, seconds)
        with questions(service):
            sender.send("the same beside lists and nightly reports", BUDGET_RATE, seconds)
        faster(sender, FASTER, hasty=False)
        faster(sender, FASTER, hasty=True)


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--seconds", type=float, default=60.0)
    given.add_argument("--uploads", type=int, default=15_000, help="made; then they come again")
    main(**vars(given.parse_args()))
