"""What Kafka has no more, trimmed or lost, and who has no place with it any more: told, and nothing
is passed over in silence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from histories import history
from senders import Clock
from stream.house import payload_of
from stream.threads import Running, recorded, send, wait_until, wait_until_recorded
from visit_records import CLINIC

from pipeline.errors import StoreUnusableError
from pipeline.intake.sender import DoorClosedError
from pipeline.intake.sender import Sender as Clinic
from pipeline.settings import Settings
from pipeline.store.layout import layout_of
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import BrokerError, Cluster, Reader, Sender
from pipeline.stream.messages import unpack
from pipeline.stream.parts import MARK
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.stream.service import open_stream_service
from pipeline.stream.standing import standing_of
from pipeline.stream.worker import Stop
from tests.kafka.server import Broker, broker

MADE = history(3, 60)
HALF = len(MADE.sent) // 2
GONE = "has no more what comes next"
WORKERS = [run_validate, run_merge]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    if not started.lasting:
        pytest.skip("this broker doesn't trim")
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Options:
    """Those of a stream that has recorded half of a history, and holds the other half."""
    cluster = Cluster(kafka.bootstrap, {}, 3_000)
    options = Options(cluster, str(tmp_path / "store"), prefix=f"{tmp_path.name}-", pace=Pace(0.3))
    send(MADE.sent[:HALF], options)
    with Running(options, WORKERS):
        wait_until_recorded(options, HALF)
    return options


@pytest.mark.parametrize("group", [None, "trimmed"])
def test_a_reader_is_told_that_its_next_message_was_trimmed(
    kafka: Broker, group: str | None
) -> None:
    """By place, or where its group was."""
    cluster, topic = Cluster(kafka.bootstrap, {}, 3_000), f"trimmed-{group}"
    make_topics(cluster, {topic: 1}, 1)
    sender = Sender(cluster)
    for _ in range(9):
        sender.send(topic, 0, b"message")
    sender.flush()
    with Reader(cluster, topic, group=group) as before:
        if group is None:
            before.start_at({0: 3})
        wait_until(lambda: bool(before.read(1, 0.5)), "nothing is read")
        before.done({0: 3})
    trim(cluster, topic, {0: 6})
    with Reader(cluster, topic, group=group) as reader:
        if group is None:
            reader.start_at({0: 3})
        wait_until(lambda: is_told(reader, GONE), "what was trimmed is passed over")


def trim(cluster: Cluster, topic: str, before: Mapping[int, int]) -> None:
    """Have the cluster delete what lies before an offset of each partition."""
    places = [TopicPartition(topic, number, end) for number, end in before.items()]
    admin = AdminClient({"bootstrap.servers": cluster.bootstrap})
    for trimmed in admin.delete_records(places).values():
        trimmed.result()


def is_told(reader: Reader, what: str) -> bool:
    """Whether reading raises something that says so."""
    try:
        reader.read(1, 0.1)
    except BrokerError as error:
        return what in error.message_en
    return False


def test_uploads_that_were_trimmed_before_they_were_checked(
    options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    """No barrier is reached without them."""
    stream = open_stream(options)
    send(MADE.sent[HALF:], options)
    with Running(options, [dispatching]):
        wait_until(lambda: stream.base + len(MADE.sent) in marks(options), "nobody dispatches")
    with Reader(options.cluster, stream.topic("uploads")) as reader:
        ends = {way: reader.bounds(way)[1] for way in range(stream.ways)}
    trim(options.cluster, stream.topic("uploads"), ends)
    with Running(options, WORKERS):
        wait_until(lambda: f"{GONE} in {stream.topic('uploads')}/" in caplog.text, "nobody tells")
    assert recorded(options) == HALF


def dispatching(options: Options, stop: Stop) -> None:
    """Only that."""
    run_validate(replace(options, only="dispatch"), stop)


def marks(options: Options) -> set[int]:
    """What the last messages of all ways mark, where it is the same."""
    stream, last = open_stream(options), set[int]()
    with Reader(options.cluster, stream.topic("uploads")) as reader:
        for way in range(stream.ways):
            end = reader.bounds(way)[1]
            kind, header, _ = unpack(next(reader.span(way, end - 1, end)).value)
            last.add(header["through"] if kind == MARK else 0)
    return last if len(last) == 1 else set()


def test_a_cluster_that_lost_everything_gets_nothing(
    options: Options, caplog: pytest.LogCaptureFixture
) -> None:
    """While workers and a door run: no ticket for a place that was given before."""
    stream = open_stream(options)
    admin = AdminClient({"bootstrap.servers": options.cluster.bootstrap})
    here = Clinic(CLINIC, "web-api", "official")
    more = [payload_of(one) for one in MADE.sent[HALF : HALF + 3]]
    with (
        open_stream_service(
            options.store_uri, Settings(), options.cluster, clock=Clock(), prefix=options.prefix
        ) as service,
        Running(options, WORKERS),
    ):
        service.door.take(more[0], here)
        wait_until_recorded(options, HALF + 1)
        for deleted in admin.delete_topics(list(stream.topics)).values():
            deleted.result()
        wait_until(lambda: refused(options), "an empty cluster is taken for the old one")
        for payload in more[1:]:
            with pytest.raises(DoorClosedError):
                service.door.take(payload, here)
        wait_until(lambda: not service.door.is_open, "the door stays open")
        wait_until(lambda: GONE in caplog.text, "no worker tells")
    assert standing_of(layout_of(options.store_uri), stream).through == HALF + 1


def test_who_was_put_out_by_its_namesake_is_told(kafka: Broker) -> None:
    """A client that is fenced is silent for ever; whoever has it must begin anew."""
    cluster = Cluster(kafka.bootstrap, {}, 3_000)
    make_topics(cluster, {"namesakes": 1}, 1)
    with ExitStack() as both:
        first, second = (
            both.enter_context(Reader(cluster, "namesakes", group="namesakes", member="m"))
            for _ in range(2)
        )
        wait_until(
            lambda: any(is_told(one, "fenced") for one in (first, second)),
            "two have one name, and none is told",
        )


def refused(options: Options) -> bool:
    """Whether who begins now is refused; the topics are there again, empty."""
    try:
        open_stream(options)
    except StoreUnusableError:
        return True
    return False
