"""Uploads through a stream into a store on object storage: tables, receipts and readers as on a
disk, and a machine that lost everything builds it again from there."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from histories import history
from reference_tables import csv_of
from scenario import Sending
from stream.house import payload_of
from stream.threads import Running, send, wait_until_recorded
from stream.told import assert_told, receipts

from pipeline.accounts.accounts import accounts_url
from pipeline.cli import main
from pipeline.errors import StoreUnusableError
from pipeline.limits import LIMITS
from pipeline.settings import Settings
from pipeline.store.epochs import epoch
from pipeline.store.files import Files
from pipeline.store.kept import KeptTables
from pipeline.store.layout import layout_of
from pipeline.store.lease import StoreLostError
from pipeline.stored import StoredUploads
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import How, claim_for
from pipeline.stream.recorder import Pace
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import expected, stored
from tests.s3.server import bucket

WORKERS = [run_validate, run_merge, run_merge]


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Options]:
    cluster = Cluster(kafka.bootstrap, {}, 6_000)
    with bucket(tmp_path / "s3.log") as name:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        yield Options(cluster, f"s3://{name}/store", prefix="s3-", pace=Pace(2.0))


def fetched(files: Files, folder: Path) -> Path:
    """Everything of a store, in a folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name in files.all_names():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(files.read(name))
    return folder


def upload_id(one: Sending) -> str:
    return claim_for(payload_of(one), How(mode=one.mode, received_at=one.received_at)).upload_id


def test_tables_receipts_and_readers(
    options: Options, tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    made = history(3, 60)
    half = len(made.sent) // 2
    send(made.sent[:half], options)
    layout = layout_of(options.store_uri)
    with Running(options, WORKERS):
        wait_until_recorded(options, half)
    shutil.rmtree(layout.root)  # another machine
    send(made.sent[half:], options)
    with epoch(layout.files, 60, recording=True) as hung, Running(options, WORKERS):
        wait_until_recorded(options, len(made.sent))
        with pytest.raises(StoreLostError):
            hung.check()
    local = fetched(layout.files, tmp_path / "fetched")
    of_store, of_replay = stored(local), expected(made.replay)
    for name, rows in of_replay.items():
        assert of_store[name] == rows, name
    assert_told(local, receipts(options, open_stream(options)))

    uploads = StoredUploads(KeptTables(options.store_uri), LIMITS)
    for one in made.sent[:: half // 2]:
        row = uploads.row(upload_id(one))
        assert uploads.payload(row) == one.payload
    capsysbinary.readouterr()
    for command in (["receipt", upload_id(made.sent[0])], ["reference", "list"]):
        assert main([*command, "--store", options.store_uri]) == 0
    told = capsysbinary.readouterr().out
    assert main(["receipt", upload_id(made.sent[0]), "--store", str(local)]) == 0
    assert capsysbinary.readouterr().out in told


def test_what_a_machine_can_t_give_is_told(
    options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    open_stream(options)
    (tmp_path / "drugs.csv").write_bytes(csv_of("drugs", [{"code": "A1"}]))
    at = ["--store", options.store_uri]
    assert main(["reference", "load", "drugs", str(tmp_path / "drugs.csv"), *at]) == 0
    (tmp_path / "one.xml").write_bytes(history(3, 60).sent[0].payload)
    assert main(["run", str(tmp_path / "one.xml"), *at]) == 70
    assert "publish" in capsys.readouterr().err
    assert main(["store", "verify", *at]) == 70
    assert "local folder" in capsys.readouterr().err
    with pytest.raises(StoreUnusableError, match="NHI_UPLOAD_ACCOUNTS_URL"):
        accounts_url(Settings(), options.store_uri)
