"""A stream, its store and its workers, and what may happen to them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, field
from hashlib import sha256
from itertools import count, groupby
from pathlib import Path
from typing import Self, TypeVar

from confluent_kafka.admin import AdminClient
from crash.faults import Fault
from scenario import Sending

from pipeline.ingest.unpack import Payload
from pipeline.store.files import Files, LocalFiles
from pipeline.store.layout import Layout, layout_of
from pipeline.stream.broker import BrokerError, Cluster, Reader, Sender
from pipeline.stream.messages import claim_of
from pipeline.stream.objects import Objects
from pipeline.stream.process import Options, open_stream
from pipeline.stream.publish import How, publish
from pipeline.stream.recorder import Pace
from pipeline.stream.standing import standing_of
from tests.kafka.server import Broker

Result = TypeVar("Result")

ROOT = Path(__file__).parents[2]
PATIENCE = 600.0
SESSION_MS = 3_000


@dataclass
class Worker:
    """A worker process. ``member``: its name for good, if it has one."""

    kind: str
    member: str | None
    pid: int

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True


class Host:
    """Starts workers; see ``stream.host``. ``layer``: that of ``crash.faults``, for disks that
    fail."""

    def __init__(self, layer: Path | None = None) -> None:
        paths = [str(ROOT / "tests"), str(ROOT), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "stream.host"],
            env={
                **os.environ, "PYTHONPATH": os.pathsep.join(paths), "LD_PRELOAD": str(layer or ""),
            },
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._answer() == "ready"

    def close(self) -> None:
        """Let the host end."""
        self._process.communicate()

    def start(self, asked: dict[str, object]) -> int:
        """Fork a worker; gives its process id."""
        assert self._process.stdin
        print(json.dumps(asked), file=self._process.stdin, flush=True)
        return int(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline().strip()


@dataclass
class House:
    """Everything of one stream. ``folder`` holds what the workers say, and the store, if that is
    not at a URI. ``upkeep``: the time of day when workers to come keep tables in shape, if any."""

    kafka: Broker
    host: Host
    folder: Path
    prefix: str
    uri: str = ""
    window: int = 20_000
    commit_seconds: float = 0.5
    upkeep: str = ""
    session_ms: int = SESSION_MS
    workers: list[Worker] = field(default_factory=list)
    published: int = 0
    _names: Iterator[int] = field(default_factory=lambda: count(1))

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.stream = open_stream(self.options)
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.workers:
            self.tell(worker, signal.SIGKILL)
        admin = AdminClient({"bootstrap.servers": self.kafka.bootstrap, "log_level": 0})
        for deleted in admin.delete_topics(list(self.stream.topics)).values():
            deleted.exception(timeout=30)  # a broker that starts again reads every log there is

    @property
    def options(self) -> Options:
        """The options of its processes."""
        cluster = Cluster(self.kafka.bootstrap, {}, self.session_ms)
        store = self.uri or str(self.store)
        return Options(cluster, store, prefix=self.prefix, pace=Pace(self.commit_seconds))

    @property
    def store(self) -> Path:
        """Where the tables are, or a copy of them is to be (``fetch``)."""
        return self.folder / "store"

    @property
    def states(self) -> Path:
        """Where the workers keep their states."""
        return self.folder / "states" if self.uri else self.store / "state" / "workers"

    @property
    def layout(self) -> Layout:
        """Its store's."""
        return layout_of(self.options.store_uri)

    def fetch(self) -> None:
        """Have the store as it is now in a folder."""
        if self.uri:
            copied(self.layout.files, LocalFiles(self.store))

    @property
    def log(self) -> str:
        """What the workers said."""
        path = self.folder / "workers.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def start(self, kind: str, member: str | None = None, fault: Fault | None = None) -> Worker:
        """One more worker; ``fault``: what happens to its changes on disk."""
        pid = self.host.start({
            "kind": kind, "member": member, "store": self.options.store_uri,
            "states": str(self.states), "prefix": self.prefix,
            "bootstrap": self.kafka.bootstrap, "session_ms": self.session_ms,
            "window": self.window, "commit_seconds": self.commit_seconds,
            "upkeep": self.upkeep,
            "log": str(self.folder / "workers.log"), "fault": fault and astuple(fault),
        })  # fmt: skip
        worker = Worker(kind, member, pid)
        self.workers.append(worker)
        return worker

    def name(self) -> str:
        """A name that no worker had."""
        return f"m{next(self._names)}"

    def tell(self, worker: Worker, number: int) -> None:
        """Send a signal to one that may be gone."""
        with suppress(ProcessLookupError):
            os.kill(worker.pid, number)

    def end(self, worker: Worker, number: int = signal.SIGKILL) -> None:
        """End one and forget it."""
        self.tell(worker, number)
        self.workers.remove(worker)

    def ended(self, worker: Worker) -> None:
        """Wait until one has ended."""
        until = time.monotonic() + PATIENCE
        while worker.alive:
            assert time.monotonic() < until, "a worker does not end"
            time.sleep(0.05)

    def lose_states(self, worker: Worker) -> None:
        """What a worker kept on its disk is gone."""
        shutil.rmtree(self.states / str(worker.member), ignore_errors=True)

    def send(self, sent: Sequence[Sending]) -> None:
        """Publish uploads, each as received at its moment."""
        objects, sender = Objects(self.layout), Sender(self.options.cluster)
        for (at, mode), group in groupby(sent, key=lambda one: (one.received_at, one.mode)):
            payloads = [payload_of(one) for one in group]
            how = How(mode=mode, received_at=at)
            ids = patiently(
                lambda payloads=payloads, how=how: list(
                    publish(payloads, how, objects, sender, self.stream)
                )
            )
            assert len(ids) == len(payloads)
            self.published += len(ids)

    @property
    def last_upload(self) -> int:
        """The sequence of the last upload that came: of repeated claims behind it the tables say
        nothing, so nothing is committed for their sake."""
        first = dict[str, int]()
        with Reader(self.options.cluster, self.stream.topic("intake")) as reader:
            end, at = patiently(lambda: reader.bounds(0)[1]), 0
            reader.start_at({0: 0})
            while at < end:
                for message in reader.read(1_000, 5.0):
                    at = message.offset + 1
                    first.setdefault(claim_of(message.value).upload_id, at)
        return self.stream.base + max(first.values())

    @property
    def recorded(self) -> int:
        """The sequence up to which the tables hold everything."""
        return standing_of(self.layout, self.stream).through

    def wait_until_recorded(self, through: int, patience: float = PATIENCE) -> None:
        """Until the tables have everything up to a sequence."""
        until = time.monotonic() + patience
        while (now := self.recorded) < through:
            if time.monotonic() > until:
                (self.folder / "stuck").touch()
                raise AssertionError(f"recorded up to {now} of {through}\n{self.log[-4000:]}")
            time.sleep(0.3)

    def assert_no_fault_of_ours(self) -> None:
        """No worker ended by a fault of ours."""
        lines = [line for line in self.log.splitlines() if "fault of ours" in line]
        assert not lines, "\n".join(lines[:5])
        assert "Traceback" not in self.log


def patiently(what: Callable[[], Result]) -> Result:
    """What goes well once the broker is there."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            return what()
        except BrokerError:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def payload_of(one: Sending) -> Payload:
    """An upload as it is published."""
    return Payload(one.name, one.payload, sha256(one.payload).digest())


@contextmanager
def hosted(layer: Path | None = None) -> Iterator[Host]:
    """A host, closed afterwards."""
    host = Host(layer)
    try:
        yield host
    finally:
        host.close()


def copied(store: Files, to: Files) -> Files:
    """All of a store but who holds it, written anew to another place."""
    for name in store.all_names():
        if not name.startswith("lease/"):
            to.at(name.rpartition("/")[0]).make()
            to.write(name, store.read(name))
    return to


def in_turns(*groups: Iterable[Sending]) -> Iterator[Sending]:
    """Uploads of several histories, taking turns."""
    left = [iter(group) for group in groups]
    while left:
        for group in list(left):
            one = next(group, None)
            if one is None:
                left.remove(group)
            else:
                yield one
