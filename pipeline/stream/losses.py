"""What Kafka has lost of what the tables go on from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.errors import StoreUnusableError
from pipeline.stream.admin import topics_of
from pipeline.stream.broker import Cluster, Reader
from pipeline.stream.standing import Standing
from pipeline.stream.topics import Stream


@dataclass(frozen=True)
class Loss:
    """A partition that is to be read on from ``wanted``, and has ``low`` to ``end`` only."""

    topic: str
    partition: int
    wanted: int
    low: int
    end: int

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}: {self.wanted}, Kafka {self.low}…{self.end}"


def losses(cluster: Cluster, stream: Stream, standing: Standing) -> list[Loss]:
    """What lacks; of a topic that is gone its first partition. Raises ``BrokerError``."""
    there = topics_of(cluster)
    found = [Loss(topic, 0, 0, 0, 0) for topic in stream.topics if topic not in there]
    wanted: Mapping[str, Mapping[int, int]] = {
        "intake": {0: stream.offset_behind(standing.through)},
        "records": standing.records,
        "verdicts": standing.verdicts,
    }
    for name, offsets in wanted.items():
        topic = stream.topic(name)
        if topic not in there:
            continue
        with Reader(cluster, topic) as reader:
            for number, at in offsets.items():
                low, end = reader.bounds(number)
                if not low <= at <= end:
                    found.append(Loss(topic, number, at, low, end))
    return found


def refuse_lost(cluster: Cluster, stream: Stream, standing: Standing) -> None:
    """Raise ``StoreUnusableError`` where the cluster lacks what the tables go on from: it is
    another, or lost its data, and what is sent to it might count as known."""
    lost = losses(cluster, stream, standing)
    if lost:
        raise StoreUnusableError(
            f"資料表由 {lost[0]} 接續：不是這個資料庫的叢集，或資料已遺失；"
            "請見 nhi-upload stream renew --help",
            f"The tables go on from {lost[0]}: it isn't this store's cluster, or it lost its data; "
            "see nhi-upload stream renew --help",
        )
