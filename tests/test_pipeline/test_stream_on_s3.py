"""Uploads through a stream into a store on object storage: tables, receipts and readers as on a
disk, and a machine that lost everything builds it again from there."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from histories import history
from reference_tables import csv_of
from scenario import Sending
from stream.house import House, copied, hosted, payload_of
from stream.rounds import play
from stream.threads import Running, send, wait_until_recorded
from stream.told import assert_told, receipts

from pipeline.accounts.accounts import accounts_url
from pipeline.cli import main
from pipeline.errors import StoreUnusableError
from pipeline.limits import LIMITS
from pipeline.settings import Settings
from pipeline.store.delta import DeltaTables
from pipeline.store.epochs import epoch
from pipeline.store.files import LocalFiles
from pipeline.store.kept import KeptTables
from pipeline.store.layout import Layout, layout_of
from pipeline.store.lease import StoreLostError
from pipeline.stored import StoredUploads
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, claim_for
from pipeline.stream.recorder import Pace
from pipeline.stream.worker import Stop
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import expected, stored
from tests.s3.faulty import faulty
from tests.s3.server import bucket


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Iterator[Options]:
    cluster = Cluster(kafka.bootstrap, {}, 6_000)
    with bucket(tmp_path / "s3.log") as name:
        yield Options(cluster, f"s3://{name}/store", prefix="s3-", pace=Pace(2.0))


def upload_id(one: Sending) -> str:
    return claim_for(payload_of(one), How(mode=one.mode, received_at=one.received_at)).upload_id


def test_restored_elsewhere_it_goes_on_and_tells_what_the_replay_does(
    options: Options, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Tables, receipts and readers are as on a disk; a copy of the bucket is a store to go on with,
    on machines that have nothing."""
    made = history(3, 60)
    half = len(made.sent) // 2

    def run_member(options: Options, stop: Stop) -> None:
        run_merge(replace(options, member="one", states=tmp_path / "states"), stop)

    send(made.sent[:half], options)
    with Running(options, [run_validate, run_merge, run_member]):
        wait_until_recorded(options, half)
    assert any((tmp_path / "states" / "one").glob("*/official/*"))
    shutil.rmtree(tmp_path / "states")  # another machine
    restored = replace(options, store_uri=f"{options.store_uri}-restored")
    layout = layout_of(restored.store_uri)
    copied(layout_of(options.store_uri).files, layout.files)
    at = ["--store", restored.store_uri]
    assert main(["store", "verify", *at]) == 0

    send(made.sent[half:], restored)
    with (
        epoch(layout.files, 60, recording=True) as hung,
        Running(restored, [run_validate, run_merge, run_member]),
    ):
        wait_until_recorded(restored, len(made.sent))
        with pytest.raises(StoreLostError):
            hung.check()
    local = tmp_path / "fetched"
    copied(layout.files, LocalFiles(local))
    of_store, of_replay = stored(local), expected(made.replay)
    for name, rows in of_replay.items():
        assert of_store[name] == rows, name
    assert_told(local, receipts(restored, open_stream(restored)))

    uploads = StoredUploads(KeptTables(restored.store_uri), LIMITS)
    for one in made.sent[:: half // 2]:
        row = uploads.row(upload_id(one))
        assert uploads.payload(row) == one.payload
    capsysbinary.readouterr()
    for command in (["receipt", upload_id(made.sent[0])], ["reference", "list"]):
        assert main([*command, *at]) == 0
    told = capsysbinary.readouterr().out
    assert main(["receipt", upload_id(made.sent[0]), "--store", str(local)]) == 0
    assert capsysbinary.readouterr().out in told
    assert_damage_is_found(layout, at, capsysbinary)


def assert_damage_is_found(
    layout: Layout, at: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    """``store verify`` finds nothing before, and what is spoilt after."""

    def found() -> dict[str, int]:
        capsysbinary.readouterr()
        main(["store", "verify", *at, "--format", "json"])
        lines = [json.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
        return {line["check"]: len(line["problems"]) for line in lines if not line["ok"]}

    assert found() == {}
    raw = layout.files.at("raw")
    lost, spoilt = list(raw.all_names())[:2]
    raw.remove(lost)
    raw.write(spoilt, raw.read(spoilt)[:-1])
    assert found() == {"archive": 2}
    visits = layout.table_files("visits")
    lost, spoilt = [file.path for file in DeltaTables(layout).files("visits")][:2]
    visits.remove(lost)
    visits.write(spoilt, visits.read(spoilt)[:-1])
    assert found() == {"files": 2}


def test_whatever_fails_it_ends_as_the_replay(
    kafka: Broker, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    """Workers are killed and stopped, and object storage fails them in every way."""
    long = bool(pytestconfig.getoption("--long"))
    happened = Counter[str]()
    for seed in range(21, 29 if long else 22):
        folder = tmp_path / str(seed)
        with (
            bucket(tmp_path / "s3.log") as name,
            faulty(os.environ["AWS_ENDPOINT_URL"], seed, 0.04) as way,
            pytest.MonkeyPatch.context() as patch,
        ):
            patch.setenv("AWS_ENDPOINT_URL", way.endpoint)
            with hosted() as host:
                patch.undo()
                house = House(kafka, host, folder, f"f{seed}-", f"s3://{name}/store")
                happened += play(house, seed, *(((200, 60), 45.0) if long else ((60, 20), 20.0)))
        happened += way.happened
        print(json.dumps(happened), flush=True)
    assert sum(many for what, many in happened.items() if " after " in what) > 0


def test_what_a_machine_can_t_give_is_told(
    options: Options,
    tmp_path: Path,
    capsysbinary: pytest.CaptureFixture[bytes],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_stream(options)
    (tmp_path / "drugs.csv").write_bytes(csv_of("drugs", [{"code": "A1"}]))
    at = ["--store", options.store_uri]
    assert main(["reference", "load", "drugs", str(tmp_path / "drugs.csv"), *at]) == 0
    (tmp_path / "one.xml").write_bytes(history(3, 60).sent[0].payload)
    assert main(["run", str(tmp_path / "one.xml"), *at]) == 70
    assert b"publish" in capsysbinary.readouterr().err
    assert main(["worker", "merge", "--member", "one", "--bootstrap-servers",
                 options.cluster.bootstrap, *at]) == 70  # fmt: skip
    assert b"NHI_UPLOAD_STATE" in capsysbinary.readouterr().err
    with pytest.raises(ZeroDivisionError), epoch(layout_of(options.store_uri).files, 0):
        raise ZeroDivisionError  # who holds it is gone
    monkeypatch.setattr("pipeline.store.verify.WAIT_SECONDS", 0.1)
    assert main(["store", "verify", *at]) == 70
    assert b"store take" in capsysbinary.readouterr().err
    assert main(["store", "take", *at]) == main(["store", "verify", *at]) == 0
    with pytest.raises(StoreUnusableError, match="NHI_UPLOAD_ACCOUNTS_URL"):
        accounts_url(Settings(), options.store_uri)
