"""Held uploads of a stream: decided by claims, it ends as where who decides holds the store."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import polars as pl
import pytest
from scenario import Scenario, Sending, run_all
from stream.threads import Running, send, wait_until, wait_until_recorded
from visit_records import HOSPITAL, PERSON, moment, visit

from pipeline.accounts.accounts import open_accounts
from pipeline.cli import main
from pipeline.errors import UnknownUploadError
from pipeline.held import decide_held
from pipeline.outcome import Decision
from pipeline.store.layout import layout_of
from pipeline.store.store import open_store
from pipeline.stream.admin import make_topics
from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.decider import Decider
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.recorder import Pace
from rules import load_plan
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import stored

MORNING = moment("2025-12-20T09:30:00")
JOBS = [run_validate, run_merge, run_merge]
OF_AN_ID = ("upload_id", "redelivery_of", "stands_upload_id", "decided_at", "received_at")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


def a_story() -> Scenario:
    """Thirty visits; an upload that deletes them all and one that isn't there, held; the same sent
    again; a correction of the first."""
    story = Scenario()
    sent = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(31)]
    story.send(*sent[:30])
    assert story.send(*(one.as_format("D") for one in sent)) == "held"
    story.send(sent[0].but(M44="111"))
    return story


def twins(story: Scenario) -> tuple[Sending, Sending]:
    """What is held, sent again twice, later."""
    held = story.sent[1]
    later = [held.received_at + timedelta(minutes=n) for n in (1, 2)]
    return replace(held, received_at=later[0]), replace(held, received_at=later[1])


def options_for(kafka: Broker, folder: Path, prefix: str) -> Options:
    cluster = Cluster(kafka.bootstrap)
    return Options(cluster, str(folder / "stream"), prefix=prefix, pace=Pace(0.5))


def decider_of(options: Options) -> Decider:
    return Decider(options.cluster, open_stream(options), layout_of(options.store_uri))


def held_id(store: str | Path) -> str:
    """The upload that is, or was, held."""
    (found,) = pl.read_delta(str(Path(store) / "tables/held")).filter(action="hold")["upload_id"]
    return str(found)


def told(store: str | Path, table: str) -> list[dict[str, Any]]:
    """The rows of a table but for ids and moments, in an order of their own."""
    rows = pl.read_delta(str(Path(store) / f"tables/{table}")).drop(*OF_AN_ID, strict=False)
    return sorted(rows.to_dicts(), key=str)


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_it_ends_as_where_the_store_is_held(
    kafka: Broker, tmp_path: Path, decision: Decision
) -> None:
    story = a_story()
    twin, again = twins(story)
    options = options_for(kafka, tmp_path, f"{decision}-")
    with Running(options, JOBS):
        send([*story.sent, twin], options)
        wait_until_recorded(options, 4)
        upload_id = held_id(options.store_uri)
        before = decider_of(options).decide([upload_id], decision, "A. Chen")
        send([again], options)  # what was decided is told to who sends it again
        wait_until_recorded(options, 6)
    assert before == {upload_id: "held"}
    alone = tmp_path / "alone"
    run_all([*story.sent, twin], alone, tmp_path / "in", 40_000)
    decide_held(str(alone), [held_id(alone)], decision, load_plan(), by="A. Chen")
    with open_store(alone) as store:
        if decision == "drop":  # in a stream it has its place in the order, though no effect there
            store.next_sequence()
    run_all([again], alone, tmp_path / "in2", 40_000)
    rows = stored(Path(options.store_uri), False)
    for name, wanted in stored(alone, False).items():
        assert name == "uploads" or rows[name] == wanted, name
    for table in ("held", "findings"):
        assert told(options.store_uri, table) == told(alone, table), table
    ours, theirs = (told(one, "uploads") for one in (options.store_uri, alone))
    for row in (*ours, *theirs):
        row["sequence"] = row["sequence"] if row["status"] == "done" else 0
    assert ours[:5] == theirs[:5]
    assert [row["status"] for row in ours] == [row["status"] for row in theirs]


def test_the_first_of_several_decisions_counts(kafka: Broker, tmp_path: Path) -> None:
    story, options = a_story(), options_for(kafka, tmp_path, "several-")
    answers = dict[str, str]()
    with Running(options, JOBS):
        send(story.sent, options)
        wait_until_recorded(options, 3)
        upload_id = held_id(options.store_uri)
        wishes: list[Decision] = ["release", "drop", "release", "drop"]

        def decide(at: int) -> None:
            found = decider_of(options).decide([upload_id], wishes[at], f"{at}")
            answers[f"{at}"] = found[upload_id]

        threads = [Thread(target=decide, args=(at,)) for at in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        wait_until(lambda: status_of(options, upload_id) != "held", "it stays held")
        again = decider_of(options).decide([upload_id], "drop", "late")
    decided = pl.read_delta(f"{options.store_uri}/tables/held").filter(pl.col("action") != "hold")
    (row,) = decided.to_dicts()
    became = {"release": "done", "drop": "dropped"}[row["action"]]
    assert answers[row["by"]] == "held"
    for at, wish in enumerate(wishes):
        assert answers[f"{at}"] == ("held" if wish == row["action"] else became)
    assert again == {upload_id: became}
    assert status_of(options, upload_id) == became


def status_of(options: Options, upload_id: str) -> str:
    uploads = pl.read_delta(f"{options.store_uri}/tables/uploads")
    (status,) = uploads.filter(upload_id=upload_id)["status"]
    return str(status)


def test_claims_that_wait_together_come_to_the_same(kafka: Broker, tmp_path: Path) -> None:
    """Hold, decision and a redelivery in one step: the workers begin when all is there."""
    story, options = a_story(), options_for(kafka, tmp_path, "together-")
    twin, _ = twins(story)
    with Running(options, JOBS):
        send(story.sent, options)
        wait_until_recorded(options, 3)
        upload_id = held_id(options.store_uri)
        decider_of(options).decide([upload_id], "release", "A. Chen")
        send([twin], options)
        wait_until_recorded(options, 5)
    first = {name: told(options.store_uri, name) for name in ("uploads", "held", "findings")}
    fresh = replace(options, store_uri=str(tmp_path / "fresh"))
    open_stream(fresh)
    raw = tmp_path / "fresh/raw"
    raw.mkdir(exist_ok=True)
    (raw / "objects").symlink_to(tmp_path / "stream/raw/objects")
    copy_intake(options, fresh, "together2-")
    with Running(fresh, JOBS):
        wait_until_recorded(fresh, 5)
    for name, rows in first.items():
        assert told(fresh.store_uri, name) == rows, name


def copy_intake(source: Options, target: Options, prefix: str) -> None:
    """The claims of one stream into another, whose topics begin with ``prefix``."""
    stream = replace(open_stream(target), prefix=prefix)
    Path(target.store_uri, "stream.json").write_text(json.dumps(asdict(stream)))
    make_topics(target.cluster, stream.topics, 1)
    sender = Sender(target.cluster)
    with Reader(source.cluster, open_stream(source).topic("intake")) as reader:
        low, high = reader.bounds(0)
        reader.start_at({0: low})
        copied = list[bytes]()
        wait_until(
            lambda: copied.extend(m.value for m in reader.read(100, 1)) or len(copied) == high,
            "claims are missing",
        )
    for value in copied:
        sender.send(stream.topic("intake"), 0, value)
    sender.flush()


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_by_the_command_line(
    kafka: Broker, tmp_path: Path, decision: Decision, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """It finds Kafka by the environment; the audit log tells of it."""
    story, options = a_story(), options_for(kafka, tmp_path, f"by-{decision}-")
    url = f"sqlite:///{tmp_path}/accounts.sqlite"
    monkeypatch.setenv("NHI_UPLOAD_BOOTSTRAP_SERVERS", kafka.bootstrap)
    monkeypatch.setenv("NHI_UPLOAD_ACCOUNTS_URL", url)
    monkeypatch.setattr(getpass, "getuser", lambda: "a.chen")

    def held(*arguments: str) -> list[dict[str, Any]]:
        capfd.readouterr()
        where = ["--store", options.store_uri, "--format", "json"]
        assert main(["held", *arguments, *where]) == 0
        return [json.loads(line) for line in capfd.readouterr().out.splitlines()]

    with Running(options, JOBS):
        send(story.sent, options)
        wait_until_recorded(options, 3)
        (waiting,) = held("list")
        upload_id = waiting["upload_id"]
        assert (waiting["deletes"], waiting["live"]) == (30, 30)
        assert held("show", upload_id)[0]["formats"] == {"D": 31}
        became = {"release": "done", "drop": "dropped"}[decision]
        decided = {"upload_id": upload_id, "before": "held", "status": became}
        assert held(decision, upload_id, "--yes", "--by", "A. Chen") == [decided]
        wait_until(lambda: status_of(options, upload_id) == became, "it is not in the tables")
        again = {"upload_id": upload_id, "before": became, "status": became}
        assert held(decision, upload_id, "--yes") == [again]
        assert held("list") == []
    with open_accounts(url) as accounts:
        (row,) = accounts.audit.rows()
    assert (row.who, row.object) == ("operator:a.chen", upload_id)
    assert row.action == f"held.{'released' if decision == 'release' else 'dropped'}"
    assert row.details["by"] == "A. Chen"


def test_an_unknown_upload_is_told(kafka: Broker, tmp_path: Path) -> None:
    options = options_for(kafka, tmp_path, "unknown-")
    with pytest.raises(UnknownUploadError):
        decider_of(options).decide(["0" * 26], "release", None)
