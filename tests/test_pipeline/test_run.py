"""A run's tables against the slow store, whatever the batching, and as any reader sees them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable
from store_oracle import table

from pipeline import batches
from pipeline.core import Processed, process_many
from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.ingest.ingest import SourceMissingError
from pipeline.outcome import Envelope, Mode
from pipeline.run import RunOptions, run
from pipeline.store.archive import read_archived
from rules import load_plan
from schemas import VISIT_FIELDS
from tests.oracle.replay import Replay
from tests.oracle.replay_tables import expected, stored

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
SAMPLE_MOMENT = datetime.fromisoformat("2025-04-02T20:55:00+08:00")


@pytest.fixture(scope="module")
def country(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated folder, with corrections and deletes among its uploads."""
    folder = tmp_path_factory.mktemp("country")
    generate(800, 40, 11, 0.05, folder)
    return folder


@cache
def slow(folder: Path, received_at: datetime, precheck: bool = False) -> Replay:
    """What the slow merge comes to after a folder."""
    replay = Replay(precheck)
    for path in sorted(folder.glob("*.xml")):
        mode: Mode = "precheck" if precheck else "official"
        replay.take(path.name, path.read_bytes(), Envelope(received_at, mode=mode))
    return replay


@pytest.mark.parametrize(
    "options",
    [
        RunOptions(received_at=DEFAULT_AS_OF),
        RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=3, commit_uploads=5),
        RunOptions(received_at=DEFAULT_AS_OF, batch_bytes=1, commit_bytes=1, workers=3),
    ],
    ids=["one batch", "few uploads a commit", "a commit an upload"],
)
def test_tables_are_those_of_the_slow_merge(
    country: Path, tmp_path: Path, options: RunOptions
) -> None:
    slowly = slow(country, DEFAULT_AS_OF)
    summary = run([country], tmp_path / "store", load_plan(), options)
    assert summary.done + summary.refused == slowly.sequence
    assert stored(tmp_path / "store") == expected(slowly)


def test_two_runs_are_one(country: Path, tmp_path: Path) -> None:
    """State is found again in the tables when the store is opened anew."""
    paths = sorted(country.glob("*.xml"))
    for part in (paths[:17], paths[17:18], paths[18:]):
        run(part, tmp_path / "store", load_plan(), RunOptions(received_at=DEFAULT_AS_OF))
    assert stored(tmp_path / "store") == expected(slow(country, DEFAULT_AS_OF))


def test_every_reader_sees_the_same_rows(country: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    options = RunOptions(received_at=DEFAULT_AS_OF, batch_uploads=3, commit_uploads=3)
    run([country], store, load_plan(), options)
    for name in ("visits", "orders"):
        path = str(store / "tables" / name)
        keys = sorted(pl.read_delta(path)["visit_key"])
        dataset = DeltaTable(path).to_pyarrow_dataset()
        assert sorted(dataset.to_table()["visit_key"].to_pylist()) == keys
        found = duckdb.from_arrow(dataset).project("visit_key").fetchall()
        assert sorted(key for (key,) in found) == keys
        wanted = pc.field("treatment_id") == keys[0]  # a column without statistics
        assert dataset.to_table(filter=wanted).num_rows == keys.count(keys[0]) > 0
        wanted = pc.field("sequence") == dataset.to_table()["sequence"][0].as_py()
        assert dataset.to_table(filter=wanted).num_rows > 0
        DeltaTable(path).create_checkpoint()
        assert sorted(pl.read_delta(path)["visit_key"]) == keys


def test_a_redelivery_changes_nothing(country: Path, tmp_path: Path) -> None:
    store, options = tmp_path / "store", RunOptions(received_at=DEFAULT_AS_OF)
    first = run([country], store, load_plan(), options)
    versions = {p.name: DeltaTable(p).version() for p in (store / "tables").iterdir()}
    size = (store / "raw" / "pack-000001.zst").stat().st_size
    again = run([country], store, load_plan(), options)
    assert (again.redelivered, again.done, again.refused) == (first.uploads, 0, 0)
    now = {p.name: DeltaTable(p).version() for p in (store / "tables").iterdir()}
    assert {n for n in now if now[n] != versions[n]} == {"uploads"}
    assert (store / "raw" / "pack-000001.zst").stat().st_size == size
    rows = table(store, "uploads")
    ids = dict(rows.filter(pl.col("redelivery_of").is_null()).select("name", "upload_id").rows())
    assert dict(again.redeliveries) == ids


def test_every_sender_of_the_same_file_has_redeliveries_of_its_own(tmp_path: Path) -> None:
    sample, store = SAMPLES / "01_cm_clinic_normal_A.xml", tmp_path / "store"
    senders = ("3501200000", "3599999999", "3501200000", "3599999999")
    done = [
        run([sample], store, load_plan(), RunOptions(received_at=SAMPLE_MOMENT, institution=sender))
        for sender in senders
    ]
    assert [one.redelivered for one in done] == [0, 0, 1, 1]


def test_the_same_bytes_under_another_name_are_a_new_upload(tmp_path: Path) -> None:
    folder, store = tmp_path / "in", tmp_path / "store"
    folder.mkdir()
    for name in ("a.xml", "b.xml"):
        shutil.copy(SAMPLES / "01_cm_clinic_normal_A.xml", folder / name)
    options = RunOptions(received_at=SAMPLE_MOMENT)
    summary = run([folder, folder / "a.xml"], store, load_plan(), options)
    assert (summary.done, summary.redelivered) == (2, 1)
    assert table(store, "visits")["sequence"].to_list() == [2]


def test_samples_end_as_their_notes_say(tmp_path: Path) -> None:
    """Sample 10 deletes sample 01; C and E of sample 04's refill are noted."""
    store = tmp_path / "store"
    summary = run([SAMPLES], store, load_plan(), RunOptions(received_at=SAMPLE_MOMENT))
    assert [(n[:2], r.code) for n, r in summary.refusals] == [
        ("15", "Y007"), ("16", "Y015"), ("17", "Y014"),
    ]  # fmt: skip
    assert stored(store) == expected(slow(SAMPLES, SAMPLE_MOMENT))
    assert table(store, "history")["action"].to_list().count("cancel") == 1
    assert "G2W4YTA17GEHM3C43C8C" not in table(store, "visits")["visit_key"]


def edited(sample: str, **values: str) -> bytes:
    """A sample with other values in some fields."""
    text = next(SAMPLES.glob(f"{sample}_*.xml")).read_bytes()
    for name, value in values.items():
        start = text.index(f"<{name}>".encode()) + len(name) + 2
        text = text[:start] + value.encode() + text[text.index(b"</", start) :]
    return text


@pytest.mark.parametrize(
    ("payload", "moment", "finding"),
    [
        (edited("01", M05="3599019970"), SAMPLE_MOMENT, ("M15", "D086", "state/not-own-record")),
        (
            edited("10", M05="3599019970"),
            SAMPLE_MOMENT,
            ("H01", "D001", "state/delete-of-not-own-record"),
        ),
        (
            edited("01", M44="999"),
            datetime.fromisoformat("2025-05-01T00:00:00+08:00"),
            ("M11", "BH", "state/correction-too-late"),
        ),
        (edited("01", M44="999"), datetime.fromisoformat("2025-04-30T23:59:59+08:00"), None),
    ],
    ids=["put of another's", "delete of another's", "too late", "just in time"],
)
def test_state_rules_reject_and_leave_the_earlier_record(
    tmp_path: Path, payload: bytes, moment: datetime, finding: tuple[str, str, str] | None
) -> None:
    store = tmp_path / "store"
    (tmp_path / "a.xml").write_bytes(edited("01"))
    (tmp_path / "b.xml").write_bytes(payload)
    plan = load_plan()
    run([tmp_path / "a.xml"], store, plan, RunOptions(received_at=SAMPLE_MOMENT))
    before = stored(store)["visits"]
    summary = run([tmp_path / "b.xml"], store, plan, RunOptions(received_at=moment))
    findings = table(store, "findings").filter(severity="reject")  # a late visit is warned of, too
    found = findings.select("field", "code", "rule").rows()
    assert found == ([finding] if finding else [])
    assert summary.counts.records_rejected == len(found)
    assert (stored(store)["visits"] == before) == bool(finding)


def test_a_delete_of_nothing_is_a_finding_but_not_checked_in_a_precheck(tmp_path: Path) -> None:
    sample = SAMPLES / "10_delete_D.xml"
    official = run([sample], tmp_path / "s", load_plan(), RunOptions(received_at=SAMPLE_MOMENT))
    assert official.codes == {"D001": 1}
    options = RunOptions(mode="precheck", received_at=SAMPLE_MOMENT)
    assert run([sample], tmp_path / "s", load_plan(), options).codes == {}
    assert table(tmp_path / "s", "precheck_history").is_empty()


def test_a_precheck_never_touches_official_tables(country: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    options = RunOptions(mode="precheck", received_at=DEFAULT_AS_OF)
    assert run([country], store, load_plan(), options).done
    assert stored(store, precheck=True) == expected(slow(country, DEFAULT_AS_OF, precheck=True))
    assert table(store, "visits").is_empty()
    # The official upload of the same files is no redelivery of the pre-check.
    assert run([country], store, load_plan(), RunOptions(received_at=DEFAULT_AS_OF)).done
    said = [table(store, name).select("visit_key", *VISIT_FIELDS).sort("visit_key")
            for name in ("visits", "precheck_visits")]  # fmt: skip
    assert said[0].equals(said[1])


def test_special_codes_are_kept_apart_by_person_and_moment(tmp_path: Path) -> None:
    """Records from before 2.0 all carry the same code; each is its own visit."""
    early = datetime.fromisoformat("2024-09-02T21:00:00+08:00")

    def sent(name: str, moment: str, **values: str) -> None:
        payload = edited("01", M15="SM" + "0" * 18, **values)
        (tmp_path / name).write_bytes(payload.replace(b"1140305093012", moment.encode()))

    sent("a.xml", "1130831235959")
    sent("b.xml", "1130831235958")
    sent("c.xml", "1130831235959", M44="111")
    store, slowly = tmp_path / "store", Replay()
    for name in ("a.xml", "b.xml", "c.xml"):
        run([tmp_path / name], store, load_plan(), RunOptions(received_at=early))
        slowly.take(name, (tmp_path / name).read_bytes(), Envelope(early))
    assert len(slowly.live) == 2
    assert stored(store) == expected(slowly)


def test_made_up_old_dates_make_no_partitions(tmp_path: Path) -> None:
    """A special code and H00=2 let any date pass; a file for each month would take minutes."""
    payload, folder = edited("01", M15="SM" + "0" * 18, H00="2", M04="0010101"), tmp_path / "in"
    folder.mkdir()
    for year in (50, 80, 110, 111):
        for month in (1, 12):
            moment = f"{year:03d}{month:02d}01093012"
            file = folder / f"{moment}.xml"
            file.write_bytes(payload.replace(b"1140305093012", moment.encode()))
    run([folder], tmp_path / "store", load_plan(), RunOptions(received_at=SAMPLE_MOMENT))
    visits = table(tmp_path / "store", "visits")
    assert visits.height == 8
    assert sorted(set(visits["visit_month"])) == ["0000-00", "2022-01", "2022-12"]
    assert len(set(visits["visit_date"])) == 8


def test_every_upload_is_archived_and_each_row_points_into_it(
    country: Path, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    run([country], store, load_plan(), RunOptions(received_at=DEFAULT_AS_OF))
    digests = dict(table(store, "uploads").select("upload_id", "sha256").rows())
    for row in table(store, "visits").sample(50, seed=1).to_dicts():
        payload = read_archived(store / "raw", bytes.fromhex(digests[row["upload_id"]]))
        record = payload[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]
        assert record.startswith(b"<REC>")
        assert row["M15"].encode() in record


def test_bad_files_are_refusals_and_the_rest_is_taken(country: Path, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    shutil.copytree(country, folder)
    (folder / "broken.zip").write_bytes(b"PK\x03\x04")
    (folder / "empty.xml").write_bytes(b"")
    (folder / "noise.xml").write_bytes(bytes(range(256)) * 40)
    (folder / "dangling.xml").symlink_to("nowhere")
    options = RunOptions(received_at=DEFAULT_AS_OF)
    summary = run([folder], tmp_path / "store", load_plan(), options)
    codes = {name: refusal.code for name, refusal in summary.refusals}
    assert codes["broken.zip"] == codes["dangling.xml"] == "Z003"
    assert {"empty.xml", "noise.xml"} <= codes.keys()
    assert set(table(tmp_path / "store", "visits")["visit_key"]) == (
        slow(country, DEFAULT_AS_OF).live.keys()
    )
    again = run([folder], tmp_path / "store", load_plan(), options)
    assert again.redelivered == again.uploads == summary.uploads


def test_an_upload_that_we_fail_on_is_the_only_one_lost(
    country: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A fault of ours costs the upload that brings it out, and that one is taken once mended."""
    culprit = sorted(country.glob("*.xml"))[7]

    def failing(payloads: Sequence[bytes], *rest: Any, **options: Any) -> Processed:
        if culprit.read_bytes() in payloads:
            raise ZeroDivisionError("the name of a patient")
        return process_many(payloads, *rest, **options)

    options, store = RunOptions(received_at=DEFAULT_AS_OF), tmp_path / "store"
    with monkeypatch.context() as patched:
        patched.setattr(batches, "process_many", failing)
        summary = run([country], store, load_plan(), options)
    assert [name for name, _ in summary.failures] == [culprit.name]
    assert "ZeroDivisionError" in caplog.text
    assert "patient" not in caplog.text
    assert table(store, "uploads").height == summary.uploads - 1
    again = run([country], store, load_plan(), options)
    assert (again.redelivered, again.done) == (summary.uploads - 1, 1)


def test_a_missing_source_makes_no_store(tmp_path: Path) -> None:
    with pytest.raises(SourceMissingError):
        run([tmp_path / "nowhere"], tmp_path / "store", load_plan())
    assert not (tmp_path / "store").exists()
