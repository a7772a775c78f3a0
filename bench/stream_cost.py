"""What the stream costs: CPU by role, uploads a second of all together, growth, bytes on disk."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from bench.kafka import Broker
from bench.stream_rig import Receipts, Rig, cpu_of
from pipeline.ingest.unpack import Payload
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import Cluster, Reader, Sender

ROLES = ("dispatch", "validate", "merge", "record")
BROKER = "broker"
_AT_ONCE = 16
_TOGETHER_SECONDS = 0.05  # receipts of one barrier come within this


@dataclass(frozen=True)
class Load:
    """Uploads, ``size`` bytes of ``records`` records in all."""

    name: str
    uploads: Sequence[Payload]
    size: int
    records: int


@dataclass(frozen=True)
class Cost:
    """What a process took for a load: seconds of CPU, and its peak memory in bytes."""

    role: str
    cpu: float
    peak: int


@dataclass(frozen=True)
class Rate:
    """Uploads a second, from the first receipt to the last, and the cost of each process."""

    uploads_second: float
    costs: tuple[Cost, ...]

    @property
    def cpu(self) -> float:
        """Seconds of CPU of all workers, without the broker."""
        return sum(cost.cpu for cost in self.costs if cost.role != BROKER)

    @property
    def broker(self) -> float:
        """Seconds of CPU of the broker, 0 where it is not ours."""
        return sum(cost.cpu for cost in self.costs if cost.role == BROKER)


def archiving(rig: Rig, load: Load) -> Cost:
    """The bytes of a load into the archive, by this process."""
    before = time.process_time()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(lambda one: rig.objects.keep(one.sha256.hex(), one.data), load.uploads))
    return Cost("archive", time.process_time() - before, 0)


def together(
    rig: Rig, load: Load, warming: Sequence[Payload], jobs: Sequence[str], *, alone: bool = False
) -> Rate:
    """A load in the archive through the stream, to its receipts and its commit.

    The workers have all joined and done ``warming`` before anything counts.
    """
    receipts = Receipts(rig)
    receipts.start()
    with rig.working(*jobs, alone=alone) as workers:
        receipts.wait(rig.publish(warming))
        rig.wait_until_committed()
        receipts.came.clear()
        before = [one.cpu for one in workers], _broker_cpu(rig.broker)
        receipts.wait(rig.publish(load.uploads))
        rig.wait_until_committed()
        costs = [
            Cost(one.job, one.cpu - c, one.peak) for one, c in zip(workers, before[0], strict=True)
        ]
        costs.append(Cost(BROKER, _broker_cpu(rig.broker) - before[1], 0))
    receipts.close()
    moments = sorted(receipts.came.values())
    at_first = sum(moment < moments[0] + _TOGETHER_SECONDS for moment in moments)
    rate = (len(moments) - at_first) / (moments[-1] - moments[0])
    return Rate(rate, tuple(costs))


def _broker_cpu(broker: Broker) -> float:
    return cpu_of(broker.process.pid) if broker.process else 0.0


@dataclass(frozen=True)
class Bare:
    """Kafka alone: milliseconds from producing a message to having it, and MB a second of a
    load's bytes through it."""

    latencies: tuple[float, ...]
    megabytes_second: float


def bare(broker: Broker, load: Load, messages: int = 300) -> Bare:
    """The limit of this machine: one message after the other, then as many as it takes."""
    cluster, topic = Cluster(broker.bootstrap), "bare"
    make_topics(cluster, {topic: 1}, 1)
    sender, latencies = Sender(cluster), list[float]()
    with Reader(cluster, topic) as reader:
        reader.start_at({0: 0})
        for place in range(messages):
            began = time.perf_counter()
            sender.send(topic, 0, load.uploads[place % len(load.uploads)].data)
            while not reader.read(1, 1.0):
                pass
            latencies.append(time.perf_counter() - began)
        began, came = time.perf_counter(), 0
        for one in load.uploads:
            sender.send(topic, 0, one.data)
        while came < len(load.uploads):
            came += len(reader.read(1_000, 1.0))
        seconds = time.perf_counter() - began
    return Bare(tuple(latencies), load.size / seconds / 1e6)


def on_disk(rig: Rig) -> Mapping[str, int]:
    """Bytes of the archive, the tables, the journal, and each topic where the broker is ours."""
    folders = {name: [rig.folder / "store" / name] for name in ("raw", "tables", "journal")}
    if rig.broker.folder is not None:
        log = rig.broker.folder / "log"
        for topic in rig.stream.topics:
            folders[topic.removeprefix(rig.prefix)] = list(log.glob(f"{topic}-[0-9]*"))
    return {name: sum(map(_bytes_under, paths)) for name, paths in folders.items()}


def _bytes_under(folder: Path) -> int:
    """What is there of data; Kafka makes its indexes large beforehand."""
    return sum(
        path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file() and not path.name.endswith("index")
    )
