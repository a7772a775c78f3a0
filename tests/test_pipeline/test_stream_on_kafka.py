"""Uploads through the stream, on a real broker: the tables end as the slow replay's, and as those
of ``run``; what can't be read, or fails, stops nobody."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import pytest
from histories import history
from store_oracle import contents
from stream.house import Host, House, hosted
from stream.threads import Running, send, wait_until, wait_until_recorded
from stream.told import assert_told, receipts

from pipeline.cli import main
from pipeline.errors import StoreUnusableError
from pipeline.ingest.ingest import find_files, read_uploads
from pipeline.metrics import Metrics
from pipeline.run import RunOptions, run
from pipeline.store.layout import layout_of
from pipeline.store.verify import verify
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import (
    MOST_MESSAGE_BYTES,
    BrokerError,
    Cluster,
    Reader,
    Received,
    Sender,
)
from pipeline.stream.dispatch import MOST, Dispatcher
from pipeline.stream.messages import pack, unpack
from pipeline.stream.objects import Objects
from pipeline.stream.parts import pack_mark
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, claim_for, publish, publish_failed
from pipeline.stream.recorder import Pace
from pipeline.taipei import TAIPEI
from rules import load_plan
from tests.kafka.server import Broker, broker, free_port
from tests.oracle.replay_tables import expected, read, stored

WORKERS = [run_validate, run_merge, run_merge]
RECEIVED = datetime(2024, 3, 20, 21, tzinfo=TAIPEI)


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture(scope="module")
def host() -> Iterator[Host]:
    with hosted() as one:
        yield one


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Options:
    cluster = Cluster(kafka.bootstrap, {}, 3_000)
    prefix = f"{tmp_path.name.removeprefix('test_')}-"
    return Options(cluster, str(tmp_path / "store"), prefix=prefix, pace=Pace(0.5))


def messages(options: Options, topic: str, partition: int = 0) -> list[Received]:
    """Everything in a partition of a topic."""
    found = list[Received]()
    with Reader(options.cluster, open_stream(options).topic(topic)) as reader:
        at, end = reader.bounds(partition)
        reader.start_at({partition: at})
        while len(found) < end - at:
            found += reader.read(1_000, 5.0)
    return found


@pytest.mark.parametrize(("seed", "precheck"), [(3, False), (7, True)])
def test_tables_are_those_of_the_replay(options: Options, seed: int, precheck: bool) -> None:
    made = history(seed, 40 if precheck else 60, precheck=precheck)
    send(made.sent, options)
    with Running(options, WORKERS):
        wait_until_recorded(options, len(made.sent))
    of_store, of_replay = stored(Path(options.store_uri), precheck), expected(made.replay)
    for name, rows in of_replay.items():
        assert of_store[name] == rows, name
    assert_told(Path(options.store_uri), receipts(options, open_stream(options)))


def test_a_week_of_both_formats_is_as_run_leaves_it(options: Options, tmp_path: Path) -> None:
    """1.0 and its pre-checks, with faults, things that can't be unpacked, and all of it twice."""
    week = tmp_path / "week"
    generated = [
        "generate",
        "--dual",
        "--records",
        "150",
        "--uploads",
        "20",
        "--seed",
        "5",
        "--faults",
        "0.1",
        "--as-of",
        RECEIVED.isoformat(),
        "--out",
        str(week),
    ]
    assert main(generated) == 0
    (week / "v1" / "broken.zip").write_bytes(b"PK\3\4 and no more")
    (week / "v1" / "empty.xml").write_bytes(b"")
    (week / "v1" / "noise.xml.gz").write_bytes(bytes(range(256)))
    lots = [("v1", "official"), ("precheck/web-api", "precheck"), ("v1", "official")]
    stream = open_stream(options)
    objects, sender = Objects(layout_of(options.store_uri)), Sender(options.cluster)
    count = 0
    for folder, mode in lots:
        uploads = [u for file in find_files([week / folder]) for u in read_uploads(file)]
        how = How(mode=mode, received_at=RECEIVED)  # type: ignore[arg-type]
        if count:  # the same a second time, a little later
            how = replace(how, received_at=RECEIVED.replace(minute=5))
        count += len(list(publish(uploads, how, objects, sender, stream)))
        run_options = RunOptions(mode=how.mode, received_at=how.received_at)
        run([week / folder], tmp_path / "run", load_plan(), run_options)
    with Running(options, WORKERS):
        wait_until_recorded(options, count)
    of_stream, of_run = contents(Path(options.store_uri)), contents(tmp_path / "run")
    for name, rows in of_run.items():
        assert of_stream[name] == rows, name
    both = [read(Path(store), "uploads") for store in (options.store_uri, tmp_path / "run")]
    columns = ["name", "mode", "institution", "status", "refusal_code"]
    again = [one.filter(one["redelivery_of"].is_not_null()).select(columns) for one in both]
    assert sorted(again[0].rows(), key=repr) == sorted(again[1].rows(), key=repr)
    assert all(one.ok for one in verify(tmp_path / "run"))
    assert all(one.ok for one in verify(Path(options.store_uri)))
    with pytest.raises(StoreUnusableError):
        run([week / "v1"], options.store_uri, load_plan(), RunOptions())


POISON = (b"", b"\0\0\0\2{}", b"not one of ours", pack("claim", {}), pack("mark", {"through": "x"}),
          pack("share", {"way": 0, "sequence": 1}), pack("part", {"through": 1}), bytes(range(256)),
          pack("checked", {"sequence": 1, "row": {}, "first": None}))  # fmt: skip


def test_what_nobody_can_read_stops_nobody(options: Options) -> None:
    made, stream = history(3, 60), open_stream(options)
    sender, taken = Sender(options.cluster), len(made.sent) // 2
    for lot in (made.sent[:taken], made.sent[taken:]):
        for topic, count in stream.topics.items():
            for at, message in enumerate(POISON):
                if topic != stream.topic("intake") or lot[0] is made.sent[0]:
                    sender.send(topic, at % count, message)
        sender.flush()
        send(lot, options)
    with Running(options, WORKERS):
        wait_until_recorded(options, len(made.sent) + len(POISON))
    uploads = read(Path(options.store_uri), "uploads")
    assert sorted(uploads["name"]) == [one.name for one in made.sent]
    letters = [unpack(one.value)[1] for one in messages(options, "dead")[len(POISON) * 2 :]]
    told = {(one["topic"], one["partition"], one["offset"]) for one in letters}
    for topic in ("intake", "uploads", "records", "verdicts"):
        named = [one for one in told if one[0] == stream.topic(topic)]
        assert len(named) == len(POISON) * (1 if topic == "intake" else 2), topic


def test_what_we_failed_on_is_sent_again(options: Options) -> None:
    made, stream = history(3, 60), open_stream(options)
    sent = list(made.sent[:12])
    send(sent, options)
    lost = layout_of(options.store_uri).raw / "objects"
    path = next(lost.rglob("*.zst"))
    kept = path.read_bytes()
    path.unlink()
    with Running(options, WORKERS):
        wait_until_recorded(options, len(sent))
        store, told = Path(options.store_uri), receipts(options, stream)
        assert len(read(store, "uploads")) == len(sent) - 1
        (failed,) = (key for key, one in told.items() if one["upload"]["status"] == "failed")
        path.write_bytes(kept)
        sender = Sender(options.cluster)
        for _ in range(2):  # whoever asks twice
            again = list(publish_failed(str(store), options.cluster, sender, stream))
            assert again == [failed]
        wait_until_recorded(options, len(sent) + 1)
        assert not list(publish_failed(str(store), options.cluster, sender, stream))
    uploads = read(store, "uploads")
    assert sorted(uploads["name"]) == [one.name for one in sent]
    assert uploads["upload_id"].is_unique().all()


def test_who_is_too_far_ahead_waits(options: Options) -> None:
    """Without a recorder nothing piles up behind the dispatcher; with one all is made up."""
    uploads = history(3, 60).sent * 30
    sent = [replace(one, name=f"{at}.xml") for at, one in enumerate(uploads)]
    send(sent, options)
    few = replace(options, window=200)
    validating, merging = partial(_only, run_validate), partial(_only, run_merge, job="merge")
    with Running(few, [validating, merging]):
        wait_until(lambda: _dispatched(few) > few.window, "nothing is dispatched")
        before = -1
        while before != (before := _dispatched(few)):
            signal.sigtimedwait([], 3.0)
        assert few.window < before <= few.window + MOST < len(sent)
    with Running(few, WORKERS):
        wait_until_recorded(few, len(sent))
    assert len(read(Path(options.store_uri), "uploads")) == len(sent)


def _only(job_of: object, options: Options, stop: object, job: str | None = None) -> None:
    job_of(replace(options, only=job), stop)  # type: ignore[operator]


def _dispatched(options: Options) -> int:
    kinds = [
        unpack(message.value)[0]
        for way in range(open_stream(options).ways)
        for message in messages(options, "uploads", way)
    ]
    return kinds.count("claim")


def test_two_dispatchers_and_one_that_forgot(options: Options) -> None:
    """Every claim comes on its way, whoever sends it; twins are the same for all of them."""
    made, stream = history(3, 60), open_stream(options)
    send([*made.sent, *made.sent[:5]], options)

    def dispatch(base: int) -> None:
        dispatcher = Dispatcher(
            options.cluster, stream, Metrics(), window=1_000, recorded=lambda: base
        )
        turns = iter(range(40))
        dispatcher.run(lambda: next(turns, None) is not None)

    dispatch(0)
    first = _claims(options)
    with Reader(
        options.cluster, stream.topic("intake"), group=stream.topic("dispatch")
    ) as reader:  # the group forgets
        wait_until(lambda: bool(reader.lag()) or not reader.read(1, 0.5), "nobody leads")
        reader.done({0: 0})
    dispatch(0)
    assert _claims(options) == first
    assert sorted(first) == list(range(1, len(made.sent) + 6))
    repeated = [header["repeats"] for _, header in sorted(first.items())][len(made.sent) :]
    assert [one[1] for one in repeated] == [1, 2, 3, 4, 5]


def _claims(options: Options) -> dict[int, dict[str, object]]:
    """Claims by sequence; those that come twice are the same."""
    found = dict[int, dict[str, object]]()
    for way in range(open_stream(options).ways):
        for message in messages(options, "uploads", way):
            kind, header, _ = unpack(message.value)
            if kind == "claim":
                assert header["sequence"] % 8 == way
                assert found.setdefault(header["sequence"], header) == header
    return found


def test_states_that_are_lost_damaged_or_behind(kafka: Broker, host: Host, tmp_path: Path) -> None:
    """A worker that comes back builds what it lacks, and goes on where the tables stand."""
    made = history(3, 60)
    third = len(made.sent) // 3
    with House(kafka, host, tmp_path, "states-") as house:
        validate, merge = house.start("validate"), house.start("merge", "m")
        folder = house.store / "state" / "workers" / "m"
        for number, spoil in enumerate(("0", "1", "2")):
            stop = third * (number + 1) if number < 2 else len(made.sent)
            house.send(made.sent[third * number : stop])
            house.wait_until_recorded(stop)
            house.end(merge, signal.SIGTERM if number else signal.SIGKILL)
            house.ended(merge)
            data = folder / f"{house.prefix}{spoil}" / "official" / "data.mdb"
            if number == 0:
                data.unlink()
            elif number == 1:
                data.write_bytes(data.read_bytes()[: 3 * 4096])
            merge = house.start("merge", "m")
        house.end(validate)
        of_store, of_replay = stored(house.store), expected(made.replay)
        for name, rows in of_replay.items():
            assert of_store[name] == rows, name
        house.assert_no_fault_of_ours()


def test_a_claim_that_comes_twice_is_one_upload(options: Options) -> None:
    """A sender that wasn't told that the cluster has it sends it once more."""
    made, stream = history(3, 60), open_stream(options)
    sender, objects = Sender(options.cluster), Objects(layout_of(options.store_uri))
    one = made.sent[0]
    from stream.house import payload_of

    how = How(received_at=one.received_at)
    for _ in range(3):
        list(publish([payload_of(one)], how, objects, sender, stream))
    later = How(received_at=one.received_at.replace(hour=23))
    list(publish([payload_of(one)], later, objects, sender, stream))
    with Running(options, WORKERS):
        wait_until_recorded(options, 4)
    rows = read(Path(options.store_uri), "uploads").sort("sequence").to_dicts()
    first = claim_for(payload_of(one), how).upload_id
    assert [(row["sequence"], row["redelivery_of"]) for row in rows] == [(1, None), (4, first)]


def test_topics_are_made_once_and_never_of_another_size(options: Options) -> None:
    stream = open_stream(options)
    assert open_stream(options) == stream
    with pytest.raises(BrokerError, match="8"):
        make_topics(options.cluster, {stream.topic("uploads"): 9}, 1)


def test_topics_may_be_asked_as_soon_as_they_are_made(options: Options) -> None:
    """Their leaders may not be ready yet: that passes, and nobody hears of it."""
    for number in range(5):
        topic = f"{options.prefix}soon-{number}"
        make_topics(options.cluster, {topic: 16}, 1)
        with Reader(options.cluster, topic) as reader:
            assert {reader.bounds(partition) for partition in reversed(range(16))} == {(0, 0)}


def test_a_broker_that_is_not_there_is_told(tmp_path: Path) -> None:
    nobody = Cluster(f"127.0.0.1:{free_port()}", {"socket.connection.setup.timeout.ms": "1000"})
    with Reader(nobody, "intake") as reader:
        assert reader.read(1, 0.2) == []
        with pytest.raises(BrokerError):
            reader.bounds(0, patience=1.0)
    sender = Sender(nobody, patience=1.0)
    sender.send("intake", 0, b"claim")
    with pytest.raises(BrokerError):
        sender.flush()


def test_a_message_beyond_all_bounds_is_told(options: Options) -> None:
    sender = Sender(options.cluster)
    with pytest.raises(BrokerError, match="MSG_SIZE_TOO_LARGE"):
        sender.send(open_stream(options).topic("records"), 0, bytes(MOST_MESSAGE_BYTES + 1))


def test_marks_of_strangers_are_no_barrier(options: Options) -> None:
    """A way that does not exist marks nothing."""
    stream, sender = open_stream(options), Sender(options.cluster)
    for of in range(stream.partitions):
        sender.send(stream.topic("records"), of, pack_mark(5, stream.ways + 3))
    sender.flush()
    made = history(3, 60)
    send(made.sent[:6], options)
    with Running(options, WORKERS):
        wait_until_recorded(options, 6)
    assert len(read(Path(options.store_uri), "uploads")) == 6
