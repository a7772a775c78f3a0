"""A stream to be measured: a broker, a store, workers in processes of their own, and what is seen
of them from outside (topics, CPU time)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from bench.kafka import Broker
from pipeline.generate import DEFAULT_AS_OF
from pipeline.ingest.unpack import Payload
from pipeline.store.layout import Layout, layout_of
from pipeline.store.opening import open_tables
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import BEGINNING, Cluster, Reader, Sender
from pipeline.stream.messages import unpack
from pipeline.stream.objects import Objects
from pipeline.stream.publish import How, publish
from pipeline.stream.standing import standing_of
from pipeline.stream.topics import Stream, begin_stream

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0
_LOOK_SECONDS = 0.1
_TICK = os.sysconf("SC_CLK_TCK")


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process has taken, on all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def peak_of(pid: int) -> int:
    """The most memory (bytes) that a process ever had resident."""
    return status_of(pid, "VmHWM")


def status_of(pid: int, name: str) -> int:
    """What the kernel says of a process's memory, in bytes."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith(name))


def payload_of(name: str, data: bytes) -> Payload:
    """An upload as ``publish`` takes it."""
    return Payload(name, data, sha256(data).digest())


@dataclass(frozen=True)
class Process:
    """A worker that runs."""

    job: str
    popen: subprocess.Popen[str]

    @property
    def cpu(self) -> float:
        """Seconds of CPU so far."""
        return cpu_of(self.popen.pid)

    @property
    def peak(self) -> int:
        """The most memory so far, in bytes."""
        return peak_of(self.popen.pid)


@dataclass
class Rig:
    """One stream with a store of its own under ``folder``; ``sample`` is a file to warm with.

    ``window``: how many uploads the dispatcher may be ahead of the recorder."""

    broker: Broker
    folder: Path
    prefix: str
    sample: Path
    ways: int = 8
    partitions: int = 8
    commit_seconds: float = 15.0
    window: int = 1 << 40
    stream: Stream = field(init=False)

    def __post_init__(self) -> None:
        self.cluster = Cluster(self.broker.bootstrap)
        with open_tables(str(self.folder / "store"), buckets=max(self.partitions, 8)):
            pass
        self.stream = begin_stream(
            self.layout, prefix=self.prefix, ways=self.ways, partitions=self.partitions
        )
        make_topics(self.cluster, self.stream.topics, 1)
        self.objects, self.sender = Objects(self.layout), Sender(self.cluster)

    @property
    def layout(self) -> Layout:
        """Where its store is."""
        return layout_of(str(self.folder / "store"))

    @contextmanager
    def working(self, *jobs: str, alone: bool = False) -> Iterator[list[Process]]:
        """Warm workers, one process a name, until the end of the block."""
        started = [self._start(job, alone) for job in jobs]
        try:
            for one in started:
                assert one.popen.stdout
                assert one.popen.stdout.readline() == "ready\n", f"{one.job} did not start"
            yield started
        finally:
            for one in started:
                one.popen.send_signal(signal.SIGTERM)
            for one in started:
                one.popen.wait(PATIENCE)

    def _start(self, job: str, alone: bool) -> Process:
        asked = {
            "job": job, "alone": alone, "bootstrap": self.cluster.bootstrap, "prefix": self.prefix,
            "store": str(self.folder / "store"), "commit_seconds": self.commit_seconds,
            "sample": str(self.sample), "window": self.window,
        }  # fmt: skip
        command = [sys.executable, "-m", "bench.stream_worker", json.dumps(asked)]
        return Process(job, subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True))

    def publish(self, payloads: Sequence[Payload]) -> list[str]:
        """Send uploads; gives their ids once Kafka has all of them."""
        how = How(received_at=DEFAULT_AS_OF)
        return list(publish(payloads, how, self.objects, self.sender, self.stream))

    def wait_until_committed(self, patience: float = PATIENCE) -> None:
        """Until the tables hold everything that was sent."""
        with Reader(self.cluster, self.stream.topic("intake")) as reader:
            last, until = self.stream.base + reader.bounds(0)[1], time.monotonic() + patience
        while standing_of(self.layout, self.stream).through < last:
            assert time.monotonic() < until, "not everything was committed"
            time.sleep(5 * _LOOK_SECONDS)


class Receipts(threading.Thread):
    """When each receipt came to a consumer, by upload id (``time.monotonic``)."""

    def __init__(self, rig: Rig) -> None:
        super().__init__(daemon=True)
        self.came: dict[str, float] = {}
        self._going = True
        self._reader = Reader(rig.cluster, rig.stream.topic("receipts"))
        count = rig.stream.topics[rig.stream.topic("receipts")]
        self._reader.start_at(dict.fromkeys(range(count), BEGINNING))

    def run(self) -> None:
        """Listen until ``close``."""
        while self._going:
            for message in self._reader.read(1_000, 0.1):
                now = time.monotonic()
                self.came.setdefault(unpack(message.value)[1]["upload"]["upload_id"], now)
        self._reader.close()

    def wait(self, ids: Sequence[str]) -> None:
        """Until all of these have come."""
        until = time.monotonic() + PATIENCE
        while any(one not in self.came for one in ids):
            assert time.monotonic() < until, "receipts are missing"
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """Listen no more."""
        self._going = False
        self.join()
