"""``register load``: corrections, redeliveries, refusals and hostile files in a store."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from deltalake import DeltaTable
from registration_files import HUA, MEI, MING, NAME, RECEIVED, check, csv_of

from pipeline.cli import WRONG_USAGE, main
from pipeline.errors import StoreWriteError
from pipeline.register.check import Checked
from pipeline.register.limits import REGISTER_LIMITS, RegisterLimits
from pipeline.registrations import Loaded, SentFile, load_registrations
from pipeline.report.register_stored import stored_registration
from pipeline.run import RunOptions, run
from pipeline.store.archive import read_archived
from pipeline.store.compaction import compact
from pipeline.store.datafiles import DataFile
from pipeline.store.layout import layout_of
from pipeline.store.opening import open_tables
from pipeline.store.store import open_store
from pipeline.store.vacuum import vacuum
from pipeline.store.verify import verify
from rules import load_plan
from rules.registrations import load_registration_plan

Out = pytest.CaptureFixture[bytes]
OTHER_DAY, OTHER_UNIT = "11000000120150808.CSV", "11000000220150807.CSV"
SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
FIRST = csv_of(f"{MING},ming@example.com.tw,0912345678", f"{MEI},mei@b.tw", f"{HUA},none")
SECOND = csv_of(f"{MING},new@example.com.tw", f"{HUA},hua@b.tw")


def load(
    store: Path, *files: tuple[str, str | bytes], limits: RegisterLimits = REGISTER_LIMITS
) -> list[Loaded]:
    """Files by name and contents, in one commit."""
    sent = [
        SentFile(name, text.encode() if isinstance(text, str) else text, RECEIVED)
        for name, text in files
    ]
    with open_store(store) as held:
        return list(load_registrations(held, sent, load_registration_plan(), limits))


def rows(store: Path, table: str) -> list[dict[str, Any]]:
    found = DeltaTable(store / "tables" / table).to_pyarrow_table().to_pylist()
    return sorted(found, key=lambda row: (row.get("sequence", 0), row.get("row", 0)))


def live(store: Path) -> dict[str, str]:
    """E-mail by unit and id; a key that comes twice is told."""
    found = [(row["registration_key"], row["R02"]) for row in rows(store, "registrations")]
    assert len(dict(found)) == len(found)
    return dict(found)


def wrong(store: Path) -> list[str]:
    return [problem for one in verify(store) for problem in one.found.problems]


def test_a_file_is_archived_counted_and_its_good_rows_taken(tmp_path: Path) -> None:
    (loaded,) = load(tmp_path, (f"inbox/{NAME}", FIRST))
    (upload,) = rows(tmp_path, "uploads")
    told = ("upload_id", "name", "mode", "version", "status", "records", "records_accepted",
            "records_rejected", "orders", "institution", "redelivery_of")  # fmt: skip
    assert [upload[name] for name in told] == [
        loaded.upload_id, NAME, "registration", "registration", "done", 3, 2, 1, 0, None, None,
    ]  # fmt: skip
    bytes_kept = read_archived(layout_of(tmp_path).raw, bytes.fromhex(upload["sha256"]))
    assert bytes_kept == FIRST.encode()
    (finding,) = rows(tmp_path, "findings")
    assert (finding["upload_id"], finding["record"], finding["order_no"]) == (
        loaded.upload_id, 3, None,
    )  # fmt: skip
    assert (finding["code"], finding["value"]) == ("R043", "none")
    assert bytes_kept[finding["byte_offset"] :][: finding["byte_length"]] == b"none"
    assert {row["upload_id"] for row in rows(tmp_path, "registrations")} == {loaded.upload_id}
    assert len(rows(tmp_path, "batches")) == 1


@pytest.mark.parametrize("together", [True, False])
def test_the_last_row_of_a_person_and_unit_stands(tmp_path: Path, *, together: bool) -> None:
    files = [(NAME, FIRST), (OTHER_UNIT, FIRST), (OTHER_DAY, SECOND), (OTHER_UNIT, SECOND)]
    for group in [files] if together else [[file] for file in files]:
        load(tmp_path, *group)
    assert live(tmp_path) == {
        f"110000001{MING}": "new@example.com.tw",
        f"110000001{MEI}": "mei@b.tw",
        f"110000001{HUA}": "hua@b.tw",
        f"110000002{MING}": "new@example.com.tw",
        f"110000002{MEI}": "mei@b.tw",
        f"110000002{HUA}": "hua@b.tw",
    }
    by_key = {row["registration_key"]: row for row in rows(tmp_path, "registrations")}
    replaced = by_key[f"110000001{MING}"]
    assert (replaced["sequence"], replaced["R03"]) == (3, None)
    assert wrong(tmp_path) == []


def test_units_sent_together_replace_committed_rows_of_the_same_person(tmp_path: Path) -> None:
    load(tmp_path, (NAME, FIRST), (OTHER_UNIT, FIRST))
    load(tmp_path, (NAME, SECOND), (OTHER_UNIT, SECOND), (OTHER_DAY, FIRST))
    assert live(tmp_path)[f"110000001{MING}"] == "ming@example.com.tw"
    assert live(tmp_path)[f"110000002{MING}"] == "new@example.com.tw"
    assert len(live(tmp_path)) == 6
    assert wrong(tmp_path) == []


def test_a_rejected_row_leaves_the_row_before(tmp_path: Path) -> None:
    load(tmp_path, (NAME, FIRST))
    load(tmp_path, (OTHER_DAY, csv_of(f"{MING},broken", f"{HUA},hua@b.tw")))
    assert live(tmp_path)[f"110000001{MING}"] == "ming@example.com.tw"
    assert len(live(tmp_path)) == 3


# redeliveries


@pytest.mark.parametrize("together", [True, False])
def test_a_redelivery_changes_nothing(tmp_path: Path, *, together: bool) -> None:
    files = [(NAME, FIRST), (OTHER_DAY, SECOND), (f"again/{NAME}", FIRST)]
    loaded = [one for group in ([files] if together else [[f] for f in files])
              for one in load(tmp_path, *group)]  # fmt: skip
    assert live(tmp_path)[f"110000001{MING}"] == "new@example.com.tw"
    assert len(rows(tmp_path, "findings")) == 1
    last = rows(tmp_path, "uploads")[-1]
    assert (last["upload_id"], last["redelivery_of"], last["status"], last["records"]) == (
        loaded[2].upload_id, loaded[0].upload_id, "done", 0,
    )  # fmt: skip
    assert not isinstance(loaded[2].answer, Checked)
    assert wrong(tmp_path) == []


def test_the_same_bytes_under_another_name_are_another_file(tmp_path: Path) -> None:
    load(tmp_path, (NAME, FIRST), (OTHER_UNIT, FIRST))
    assert [row["redelivery_of"] for row in rows(tmp_path, "uploads")] == [None, None]
    assert len(live(tmp_path)) == 4


def test_a_refused_file_sent_again_is_a_redelivery(tmp_path: Path) -> None:
    limits = RegisterLimits(file_bytes=10)
    for _ in range(2):
        load(tmp_path, (NAME, FIRST), ("a.CSV", csv_of(f"{MING},a")), limits=limits)
    uploads = rows(tmp_path, "uploads")
    assert [row["redelivery_of"] for row in uploads] == [
        None, None, uploads[0]["upload_id"], uploads[1]["upload_id"],
    ]  # fmt: skip
    assert [row["refusal_code"] for row in uploads[2:]] == ["R001", "R001"]


# refused and hostile files

HOSTILE: list[tuple[str, str | bytes, str]] = [
    (NAME, b"", "R003"),
    (NAME, b"PK\x03\x04", "R005"),
    (NAME, b"A123456789,a@b.tw\nB,\xff\xff", "R004"),
    (NAME, b"A\x00123456789,a@b.tw", "R005"),
    (NAME, "x,\n" * 5_000, "R006"),
    (NAME, "\n" * (REGISTER_LIMITS.lines + 1), "R002"),
    (NAME, b"a" * (REGISTER_LIMITS.file_bytes + 1), "R001"),
    ("../../etc/passwd", FIRST, "R010"),
    ("\ud800=1+1.CSV", FIRST, "R010"),
    ("1" * 5_000, csv_of(f'=cmd|"x"!A0,{"y" * 300}é,\u202e', f'"{MING}'), "R014"),
]


@pytest.mark.parametrize(("name", "sent", "code"), HOSTILE)
def test_nothing_of_a_refused_file_is_taken_but_its_receipt(
    name: str, sent: str | bytes, code: str, tmp_path: Path, capsysbinary: Out
) -> None:
    load(tmp_path, (NAME, SECOND))
    before = live(tmp_path)
    (loaded,) = load(tmp_path, (name, sent))
    upload = rows(tmp_path, "uploads")[-1]
    assert (upload["status"], upload["refusal_code"]) == ("refused", code)
    assert "/" not in upload["name"]
    assert live(tmp_path) == before
    assert wrong(tmp_path) == []
    for shape in ("text", "csv", "json"):
        assert answered(capsysbinary, tmp_path, loaded.upload_id, shape)
    said = orjson.loads(answered(capsysbinary, tmp_path, loaded.upload_id, "json"))
    told = [said["refusal"]["code"]] if said["refusal"] else list(said["reasons"])
    assert code in told
    assert said["status"] == "file-rejected"


def test_values_of_findings_are_cut_between_characters(tmp_path: Path) -> None:
    load(tmp_path, (NAME, csv_of(f"{MING},{'y' * 255}é@b.tw,", f"{MEI},m@b.tw")))
    assert {len((row["value"] or "").encode()) for row in rows(tmp_path, "findings")} == {255}


# answers


def answered(out: Out, store: Path, upload_id: str, shape: str) -> bytes:
    out.readouterr()
    assert main(["receipt", upload_id, "--store", str(store), "--format", shape]) == 0
    return out.readouterr().out


MIXED = "\r\n".join(["", f"{MING},m@b.tw,xx", "", f'{MEI},"x', f"{HUA},h@b.tw,1,2", "bad", ""])


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (NAME, FIRST),
        (NAME, MIXED),
        (NAME, MIXED.replace("\r\n", "\r").encode("cp950")),
        ("a.CSV", MIXED),
        ("11000000120990807.CSV", FIRST),
        (NAME, "身分證號,電子郵件\n" + FIRST),
        (NAME, b"A123456789,a@b.tw\nB,\xff\xff"),
        (NAME, ""),
    ],
)
def test_a_stored_answer_is_the_answer_of_then(
    name: str, sent: str | bytes, tmp_path: Path
) -> None:
    load(tmp_path, (name, sent))
    payload = sent.encode() if isinstance(sent, str) else sent
    now = check(payload, name)
    (upload,) = rows(tmp_path, "uploads")
    then = stored_registration(upload, rows(tmp_path, "findings"), payload, now.plan)
    for fact in ("name", "plan_hash", "encoding", "refusal", "taken", "worst", "counts"):
        assert getattr(then, fact) == getattr(now, fact), fact
    assert list(then.findings()) == list(now.findings())


def test_the_command_answers_as_check_does_and_with_the_upload_id(
    tmp_path: Path, capsysbinary: Out
) -> None:
    file, store = tmp_path / NAME, tmp_path / "store"
    file.write_bytes(FIRST.encode())
    command = ["register", "load", str(file), "--store", str(store), "--format"]
    assert main([*command, "json", "--strict"]) == 1
    first = orjson.loads(capsysbinary.readouterr().out)
    assert (first["status"], first["counts"]["rows_accepted"]) == ("rows-rejected", 2)
    assert first["redelivery_of"] is None
    assert orjson.loads(answered(capsysbinary, store, first["upload_id"], "json")) == first
    assert main([*command, "json"]) == 0
    again = orjson.loads(capsysbinary.readouterr().out)
    assert again["redelivery_of"] == first["upload_id"] != again["upload_id"]
    assert {k: v for k, v in again.items() if k not in ("upload_id", "redelivery_of")} == {
        k: v for k, v in first.items() if k not in ("upload_id", "redelivery_of")
    }
    assert main([*command, "text"]) == 0
    shown = capsysbinary.readouterr().out.decode()
    assert (
        f"重送，沒有任何變更；首次收件 sent again, nothing changed: {first['upload_id']}" in shown
    )
    assert MING not in shown
    assert main([*command, "csv"]) == 0
    told = capsysbinary.readouterr()
    assert told.out == answered(capsysbinary, store, first["upload_id"], "csv")
    assert NAME.encode() in told.err


def test_wrong_usage(tmp_path: Path, capsysbinary: Out) -> None:
    store = ["--store", str(tmp_path / "store")]
    for arguments in (
        ["no-such.CSV", *store], [__file__, __file__, "--name", NAME, *store], [__file__],
    ):  # fmt: skip
        assert main(["register", "load", *arguments]) == WRONG_USAGE
    assert capsysbinary.readouterr().out == b""
    assert not (tmp_path / "store").exists()


# the store


def test_the_store_stays_whole_beside_uploads_of_visits(tmp_path: Path) -> None:
    """Compacted, vacuumed, and read on by runs that merge."""
    options = RunOptions(received_at=RECEIVED + timedelta(days=3_500))
    run([SAMPLES], tmp_path, load_plan(), options)
    for number in range(5):
        load(tmp_path, (f"11000000{number}20150807.CSV", FIRST))
    load(tmp_path, ("11000000420150808.CSV", SECOND))
    before, visits = live(tmp_path), rows(tmp_path, "visits")
    with open_tables(tmp_path) as held:
        assert ("registrations",) in {one.tables for one in compact(held)}
    with open_tables(tmp_path) as held:
        assert "registrations" in {one.table for one in vacuum(held, 0)}
    assert live(tmp_path) == before
    assert rows(tmp_path, "visits") == visits
    load(tmp_path, (OTHER_DAY, csv_of(f"{MEI},after@b.tw")))
    assert live(tmp_path) == before | {f"110000001{MEI}": "after@b.tw"}
    assert len(before) == 2 * 5 + 1
    summary = run([SAMPLES], tmp_path, load_plan(), options)
    assert summary.redelivered == summary.uploads > 0
    assert wrong(tmp_path) == []


def test_a_load_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(tmp_path, (NAME, FIRST))
    before = live(tmp_path), rows(tmp_path, "uploads")

    def full(*_: object) -> DataFile:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("pipeline.store.groups.write_data_file", full)
        with pytest.raises(StoreWriteError):
            load(tmp_path, (OTHER_DAY, SECOND))
    assert (live(tmp_path), rows(tmp_path, "uploads")) == before
    load(tmp_path, (OTHER_DAY, SECOND))
    assert live(tmp_path)[f"110000001{HUA}"] == "hua@b.tw"
    assert wrong(tmp_path) == []
