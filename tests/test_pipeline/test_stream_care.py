"""``nhi-upload stream``: where a stream is, its dead letters, and beginning it anew."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from histories import History, history
from stream.house import payload_of
from stream.threads import Running, send, wait_until, wait_until_recorded

from pipeline.cli import main
from pipeline.errors import StoreUnusableError
from pipeline.metrics import Metrics
from pipeline.store.committer import Committer
from pipeline.store.layout import layout_of
from pipeline.store.opening import open_tables
from pipeline.store.verify import verify
from pipeline.stream.broker import BrokerError, Cluster, Sender
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, claim_for
from pipeline.stream.recorder import Pace, Recorder
from pipeline.stream.renew import renew, renewing
from pipeline.stream.topics import fix_stream, stream_of
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import expected, read, stored

WORKERS = [run_validate, run_merge]
Asked = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Options:
    prefix = f"{tmp_path.name.removeprefix('test_')}-"
    return Options(
        Cluster(kafka.bootstrap, {}, 3_000), str(tmp_path / "store"), prefix=prefix, pace=Pace(0.3)
    )


@pytest.fixture
def asked(options: Options, capfd: pytest.CaptureFixture[str]) -> Asked:
    """A command of the group; gives the exit code and what it says, every line a JSON object; the
    fault where there is one."""

    def ask(command: str, *more: str, to: str = options.cluster.bootstrap) -> tuple[int, Any]:
        where = ["--store", options.store_uri, "--bootstrap-servers", to]
        capfd.readouterr()
        code = main(["stream", command, *where, "--format", "json", *more])
        said = capfd.readouterr()
        return code, said.err if code == 70 else [
            json.loads(line) for line in said.out.splitlines()
        ]

    return ask


def test_a_stream_without_workers_stands(options: Options, asked: Asked) -> None:
    open_stream(options)
    code, (told,) = asked("status")
    assert (code, told["moves"], told["waiting"]) == (1, False, None)
    assert told["nobody"] == ["dispatch", "validate", "merge", "record"]
    made = history(3, 60)
    send(made.sent[:6], options)
    code, (told,) = asked("status", "--patience", "1")
    assert (code, told["stands"], told["through"]["taken"]) == (1, ["dispatched"], 6)
    assert told["through"]["dispatched"] == 0
    lags = {(one["topic"], one["partition"]): one["lag"] for one in told["partitions"]}
    assert lags["intake", 0] == 6
    assert sum(lags.values()) == 6
    with Running(options, [run_validate]):
        wait_until(lambda: asked("status", "--patience", "0")[1][0]["through"]["checked"] == 6, "")
        code, (told,) = asked("status", "--patience", "1")
    assert (code, told["stands"], told["nobody"]) == (1, ["merged"], ["merge", "record"])
    assert told["members"]["dispatch"][0]["partitions"] == [0]
    with Running(options, WORKERS):
        wait_until_recorded(options, 6)
        code, (told,) = asked("status")
    assert (code, told["moves"], told["stands"], told["nobody"]) == (0, True, [], [])
    assert set(told["through"].values()) == {6}
    assert told["last_commit"] is not None
    uploads = read(Path(options.store_uri), "uploads").sort("sequence")
    assert told["dead_letters"] == {"poison": 0, "failed": 0, "unanswered": 0}
    assert len(uploads) == 6


def test_what_waits_is_told_with_its_age_and_moves(options: Options, asked: Asked) -> None:
    made = history(3, 60)
    send(made.sent, options)
    _, (told,) = asked("status", "--patience", "0")
    one, how = made.sent[0], How(received_at=made.sent[0].received_at)
    first = claim_for(payload_of(one), how).upload_id
    assert told["waiting"]["upload_id"] == told["untabled"]["upload_id"] == first
    assert 0 <= told["waiting"]["seconds"] < 600  # by the cluster's clock, not the envelope's
    slow = replace(options, pace=Pace(3_600))
    with Running(slow, WORKERS):
        wait_until(lambda: asked("status", "--patience", "9")[1][0]["waiting"] is None, "")
        code, (told,) = asked("status")
        assert code == 0
        assert told["through"]["recorded"] == len(made.sent)
        assert told["through"]["committed"] == 0
        assert told["untabled"]["upload_id"] == first


def test_dead_letters_are_listed_and_answered(options: Options, asked: Asked) -> None:
    made, stream = history(3, 60), open_stream(options)
    send(made.sent[:6], options)
    path = next((layout_of(options.store_uri).raw / "objects").rglob("*.zst"))
    kept = path.read_bytes()
    path.unlink()
    sender = Sender(options.cluster)
    for topic in ("uploads", "dead"):
        sender.send(stream.topic(topic), 0, b"not one of ours")
    sender.flush()
    with Running(options, WORKERS):
        wait_until_recorded(options, 6)
        code, letters = asked("dead")
        assert code == 0
        told = {(one["reason"], one.get("topic")): one for one in letters}
        assert told["poison", stream.topic("uploads")]["why"] == "no message of ours"
        assert told["poison", stream.topic("dead")]["why"] == "no letter of ours"
        failed = told["failed", None]
        assert (failed["taken_since"], failed["partly"]) == (False, False)
        assert "KeyError" in failed["why"]
        assert asked("status")[1][0]["dead_letters"] == {
            "poison": 2, "failed": 1, "unanswered": 1
        }  # fmt: skip
        path.write_bytes(kept)
        where = ["--store", options.store_uri, "--bootstrap-servers", options.cluster.bootstrap]
        assert main(["publish", "--dead", *where]) == 0
        wait_until_recorded(options, 7)
        answered = [one for one in asked("dead")[1] if one["reason"] == "failed"]
    assert [one["taken_since"] for one in answered] == [True]
    assert read(Path(options.store_uri), "uploads").filter(upload_id=failed["upload_id"]).height


def test_a_stream_that_lost_topics_is_begun_anew(options: Options, asked: Asked) -> None:
    """Its claims go along: what waited is taken, what comes again is known, the tables are those of
    the replay."""
    made, old = history(3, 60), open_stream(options)
    half = len(made.sent) // 2
    send(made.sent[:half], options)
    with Running(options, WORKERS):
        wait_until_recorded(options, half)
        code, why = asked("renew", "--yes")
        assert (code, "Workers still run" in why) == (70, True)
    code, why = asked("renew", "--yes")
    assert (code, "no need to begin anew" in why) == (70, True)
    send(made.sent[half:], options)
    admin = AdminClient({"bootstrap.servers": options.cluster.bootstrap})
    for gone in admin.delete_topics([old.topic("verdicts"), old.topic("uploads")]).values():
        gone.result()
    assert asked("status")[0] == 1
    dry = asked("renew", "--dry-run")[1][0]
    assert (dry["renewed"], len(dry["again"])) == (False, len(made.sent) - half)
    assert (dry["remembered"], dry["lost"], dry["unclaimed"]) == (len(made.sent), [], [])
    code, (told,) = asked("renew", "--yes")
    assert (code, told) == (0, dry | {"renewed": True})
    new = open_stream(options)
    assert (new.prefix, new.base, new.after) == (told["prefix"], 0, half)
    with pytest.raises(StoreUnusableError, match="begun anew"):
        Recorder(options.cluster, old, layout_of(options.store_uri), options.pace, Metrics()).run(
            lambda: True
        )
    with Running(options, WORKERS):
        wait_until_recorded(options, len(made.sent))
        assert_replayed(options, made)
        again = [replace(one, received_at=made.sent[-1].received_at) for one in made.sent[:1]]
        send(again, options)
        wait_until_recorded(options, len(made.sent) + 1)
    uploads = read(Path(options.store_uri), "uploads")
    assert uploads.filter(sequence=len(made.sent) + 1)["redelivery_of"].null_count() == 0
    assert all(one.ok for one in verify(Path(options.store_uri)))


def test_an_intake_that_was_cut_off(options: Options, asked: Asked) -> None:
    """What is left of it goes along; what is not, is named."""
    made, old = history(3, 60), open_stream(options)
    third = len(made.sent) // 3
    send(made.sent[:third], options)
    with Running(options, WORKERS):
        wait_until_recorded(options, third)
    send(made.sent[third:], options)
    admin = AdminClient({"bootstrap.servers": options.cluster.bootstrap})
    cut = third + 3
    for done in admin.delete_records([TopicPartition(old.topic("intake"), 0, cut)]).values():
        done.result()
    (loss,) = asked("status")[1][0]["lost"]
    assert (loss["wanted"], loss["low"]) == (third, cut)
    code, (told,) = asked("renew", "--yes")
    assert (code, told["base"], told["after"]) == (0, cut, third)
    assert len(told["again"]) == len(made.sent) - cut
    gone = {sha256(one.payload).hexdigest() for one in made.sent[third:cut]}
    sent = {sha256(one.payload).hexdigest() for one in (*made.sent[:third], *made.sent[cut:])}
    assert set(told["unclaimed"]) == gone - sent
    with Running(options, WORKERS):
        wait_until_recorded(options, len(made.sent))
    uploads = read(Path(options.store_uri), "uploads")
    assert set(uploads["sequence"]) == {*range(1, third + 1), *range(cut + 1, len(made.sent) + 1)}


def test_claims_that_are_trimmed_while_it_is_looked_at(kafka: Broker, options: Options) -> None:
    """What is left would get the places of others."""
    if not kafka.lasting:
        pytest.skip("this broker doesn't trim")
    made, old, layout = history(3, 60), open_stream(options), layout_of(options.store_uri)
    send(made.sent[:6], options)
    admin = AdminClient({"bootstrap.servers": options.cluster.bootstrap})
    with renewing(options.cluster, layout, whole=True) as renewal:
        assert (renewal.start, renewal.end) == (0, 6)
        for done in admin.delete_records([TopicPartition(old.topic("intake"), 0, 2)]).values():
            done.result()
        with pytest.raises(BrokerError, match="has no more"):
            renew(options.cluster, layout, renewal, 1)
    assert stream_of(layout) == old


def test_who_waited_for_the_store_begins_nothing_anew_twice(
    options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, layout = open_stream(options), layout_of(options.store_uri)

    def held_before(*arguments: Any, **more: Any) -> AbstractContextManager[Committer]:
        fix_stream(layout, replace(old, prefix="by-another-"))
        return open_tables(*arguments, **more)

    monkeypatch.setattr("pipeline.stream.renew.open_tables", held_before)
    begun_anew = pytest.raises(StoreUnusableError, match="begun anew")
    with begun_anew, renewing(options.cluster, layout, whole=True):
        pass


def test_a_cluster_that_lost_everything(options: Options, asked: Asked, tmp_path: Path) -> None:
    """What is archived and in no table is named; the tables go on."""
    made = history(3, 60)
    third = len(made.sent) // 3
    send(made.sent[:third], options)
    with Running(options, WORKERS):
        wait_until_recorded(options, third)
    send(made.sent[third : 2 * third], options)
    lost = {one.payload for one in made.sent[third : 2 * third]}
    other = broker(tmp_path / "other")
    try:
        if other.bootstrap == options.cluster.bootstrap:
            pytest.skip("one cluster is named for all tests")
        there = replace(options, cluster=replace(options.cluster, bootstrap=other.bootstrap))
        code, (told,) = asked("status", to=other.bootstrap)
        assert (code, told["moves"]) == (1, False)
        code, (told,) = asked("renew", "--yes", to=other.bootstrap)
        assert (code, told["base"], told["after"]) == (0, third, third)
        assert (told["remembered"], told["again"], told["lost"]) == (0, [], [])
        assert len(told["unclaimed"]) == len(lost)
        with Running(there, WORKERS):
            send(made.sent[third:], there)
            wait_until_recorded(there, len(made.sent))
    finally:
        other.kill()
    assert_replayed(options, made)


def assert_replayed(options: Options, made: History) -> None:
    of_store = stored(Path(options.store_uri), False)
    for name, rows in expected(made.replay).items():
        assert of_store[name] == rows, name
