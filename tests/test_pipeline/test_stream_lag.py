"""What waits in a partition is told before its first message is read, however the reader begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from stream.threads import wait_until

from pipeline.metrics import Metrics
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import BEGINNING, END, Cluster, Reader, Sender
from tests.kafka.server import Broker, broker, free_port

MESSAGES = (50, 0, 7)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    started: Broker = broker(tmp_path_factory.mktemp("kafka"))
    yield Cluster(started.bootstrap)
    started.kill()


@pytest.fixture
def topic(cluster: Cluster, tmp_path: Path) -> str:
    name = f"lag-{tmp_path.name}"
    make_topics(cluster, {name: len(MESSAGES)}, 1)
    sender = Sender(cluster)
    for partition, count in enumerate(MESSAGES):
        for _ in range(count):
            sender.send(name, partition, b"message")
    sender.flush()
    return name


class Stuck:
    """A reader that never gets to its first message: it is paused before."""

    def __init__(self, cluster: Cluster, topic: str, **more: object) -> None:
        self.metrics, self.told = Metrics(), dict[int, int]()
        self.reader = Reader(cluster, topic, behind=self._behind, **more)  # type: ignore[arg-type]

    def _behind(self, topic: str, lags: Mapping[int, int]) -> None:
        self.metrics.lag(topic, lags)
        self.told = dict(lags)

    def read(self) -> None:
        self.reader.read(1, 0.1)


@pytest.mark.parametrize(
    ("start", "lags"),
    [
        ({0: 10, 1: 0, 2: 7}, {0: 40, 1: 0, 2: 0}),
        ({0: BEGINNING, 1: BEGINNING, 2: END}, {0: 50, 1: 0, 2: 0}),
    ],
    ids=["by-offset", "by-end"],
)
def test_by_place(
    cluster: Cluster, topic: str, start: dict[int, int], lags: dict[int, int]
) -> None:
    stuck = Stuck(cluster, topic)
    with stuck.reader as reader:
        reader.start_at(start)
        reader.pause(start)
        stuck.read()
        assert stuck.told == lags
        text = stuck.metrics.exposition().decode()
        assert f'consumer_lag{{partition="0",topic="{topic}"}} {lags[0]:.1f}' in text


@pytest.mark.parametrize(
    ("taken", "lags"),
    [(None, {0: 45, 1: 0, 2: 7}), ({0: 20, 1: 0, 2: 0}, {0: 30, 1: 0, 2: 7})],
    ids=["where-the-group-is", "where-its-state-is"],
)
def test_in_a_group(
    cluster: Cluster, topic: str, taken: dict[int, int] | None, lags: dict[int, int]
) -> None:
    group = f"{topic}-group"
    with Reader(cluster, topic, group=group) as before:
        wait_until(lambda: bool(before.read(1, 0.5)), "nothing is read")
        before.done({0: 5})
    stuck = Stuck(cluster, topic, group=group, taken=(lambda _: taken) if taken else None)
    with stuck.reader as reader:

        def told() -> bool:
            stuck.read()
            if reader.lag():  # it has its partitions; one message may have come with them
                reader.pause(lags)
            return bool(stuck.told)

        wait_until(told, "the lag is not told")
        assert stuck.told.keys() == lags.keys()
        assert all(0 <= lags[at] - stuck.told[at] <= 1 for at in lags), stuck.told


def test_the_lag_falls_as_messages_are_read(cluster: Cluster, topic: str) -> None:
    stuck = Stuck(cluster, topic)
    with stuck.reader as reader:
        reader.start_at({0: 0})
        assert len(list(reader.span(0, 0, 30))) == 30
        assert reader.lag()[0] <= 20
        assert len(list(reader.span(0, 30, 50))) == 20
        assert reader.lag() == {0: 0}


def test_what_cannot_be_asked_stops_nobody() -> None:
    nobody = Cluster(f"127.0.0.1:{free_port()}", {"socket.connection.setup.timeout.ms": "1000"})
    stuck = Stuck(nobody, "intake")
    with stuck.reader as reader:
        reader.start_at({0: 0})
        stuck.read()
    assert stuck.told == {}
