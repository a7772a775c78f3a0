"""CSV files of reference tables: what is taken, and what is said of what isn't."""

from __future__ import annotations

import json
from pathlib import Path

import orjson
import pytest
from reference_tables import csv_of

from pipeline.cli import WRONG_USAGE, main
from pipeline.reference.columns import version_of
from pipeline.reference.folder import read_folder, samples
from pipeline.reference.kept import load_file, loaded, read_snapshot, snapshot
from pipeline.reference.problems import ReferenceFileError
from pipeline.reference.read_csv import read_csv
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import layout_of
from schemas.reference import REFERENCE_TABLES, TABLES

UPLOAD = Path(__file__).parents[1] / "fixtures" / "samples" / "01_cm_clinic_normal_A.xml"
Out = pytest.CaptureFixture[bytes]


def read(name: str, text: str | bytes) -> list[dict[str, object]]:
    data = text if isinstance(text, bytes) else text.encode()
    return read_csv(REFERENCE_TABLES[name], data, name).to_pylist()


def said(name: str, text: str | bytes) -> list[tuple[int, str]]:
    with pytest.raises(ReferenceFileError) as error:
        read(name, text)
    return [(problem.line, problem.en) for problem in error.value.problems]


def test_dates_are_roc_or_iso_and_columns_in_any_order() -> None:
    rows = read("drugs", "until,code,from\n1140101,A1,2024-02-29\n,B2,\n")
    assert [(r["code"], str(r["from"]), str(r["until"])) for r in rows] == [
        ("A1", "2024-02-29", "2025-01-01"), ("B2", "None", "None"),
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp950"])
def test_encodings_of_a_spreadsheet_are_read(encoding: str) -> None:
    (row,) = read("drugs", "code,from,until\r\n A1 ,,\r\n\r\n".encode(encoding))
    assert row["code"] == "A1"
    name = "code,from,until\nĂ,,\n" if encoding == "utf-8" else "code,from,until\n藥,,\n"
    assert said("drugs", name.encode(encoding))[0][0] == 2


def test_a_receipt_lasts_fourteen_days_and_a_holiday_one() -> None:
    (receipt,) = read("replacement_receipts", "person,from,until\nA123456789,1110323,\n")
    assert str(receipt["until"]) == "2022-04-06"  # the day document 004 prints on its receipt
    (day,) = read("holidays", "from,until,working\n1141010,,0\n")
    assert (str(day["from"]), str(day["until"])) == ("2025-10-10", "2025-10-11")


@pytest.mark.parametrize(
    ("name", "text", "problems"),
    [
        ("drugs", "code,from\nA1,\n", [(1, "the header must be")]),
        ("drugs", "code,from,until,price\n", [(1, "unknown: price")]),
        ("drugs", "code,code,from,until\n", [(1, "each once")]),
        ("drugs", "", [(1, "missing: code, from, until")]),
        ("drugs", "code,from,until\nA1,\n", [(2, "2 cells, not 3")]),
        ("drugs", "code,from,until\na1,,\n\nB 2,,\n", [(2, "no code"), (4, "no code")]),
        ("drugs", "code,from,until\nA1,1140229,\n", [(2, "'1140229' is no from")]),
        ("drugs", "code,from,until\nA1,,9991231x\n", [(2, "'9991231x' is no until")]),
        ("drugs", "code,from,until\nA1,1140102,1140102\n", [(2, "until is not after from")]),
        ("drugs", "code,from,until\nA1,,\nB1,,\nA1,,\n", [(4, "overlaps that of line 2")]),
        (
            "drugs", "code,from,until\nA1,1140102,\nA1,,2025-01-03\n",
            [(2, "overlaps that of line 3")],
        ),
        ("drugs", 'code,from,until\n"A1,,\n', [(2, "not CSV")]),
        ("drugs", b"code,from,until\n\xff\xff,,\n", [(0, "neither UTF-8 nor Big5")]),
        ("institutions", "institution,from,until,kind\n35,,,X\n", [(2, "no institution"),
                                                                  (2, "'X' is no kind")]),
        ("institution_addresses", "institution,address,from,until\n3502060427,10.0.0.0/8,,\n",
         [(2, "over 256 addresses")]),
        ("institution_addresses", "institution,address,from,until\n3502060427,10.1,,\n",
         [(2, "'10.1' is no address")]),
        ("holidays", "from,until,working\n,1140101,0\n", [(2, "is no from")]),
        ("holidays", "from,until,working\n1130101,,0\n1150101,,0\n", [(0, "no holidays of 2025")]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_line(
    name: str, text: str | bytes, problems: list[tuple[int, str]]
) -> None:
    found = said(name, text)
    assert [line for line, _ in found] == [line for line, _ in problems]
    assert all(part in text for (_, text), (_, part) in zip(found, problems, strict=True))


def test_periods_next_to_each_other_do_not_overlap() -> None:
    assert len(read("drugs", "code,from,until\nA1,1140101,\nA1,,1140101\n")) == 2


def test_the_version_names_the_content_only() -> None:
    texts = (b"code,from,until\nA1,1140101,\nB1,,\n", b"from,code,until\n,B1,\n2025-01-01,A1,\n")
    one, same = (version_of(read_csv(REFERENCE_TABLES["drugs"], t, "")) for t in texts)
    other = version_of(read_csv(REFERENCE_TABLES["drugs"], texts[0][:-5], ""))
    assert one == same != other


def test_a_store_keeps_every_version_and_names_those_in_force(tmp_path: Path) -> None:
    layout, file = layout_of(tmp_path), tmp_path / "drugs.csv"
    file.write_bytes(csv_of("drugs", [{"code": "A1"}]))
    first = load_file(layout, "drugs", file)
    before = snapshot(layout)
    file.write_bytes(csv_of("drugs", [{"code": "A1"}, {"code": "B2"}]))
    second = load_file(layout, "drugs", file)
    assert first.version != second.version
    assert loaded(layout) == [second]
    assert read_snapshot(layout).tables["drugs"].version == second.version
    assert len(read_snapshot(layout, before).tables["drugs"].spans) == 2


def test_a_wrong_file_leaves_the_table_in_force(tmp_path: Path) -> None:
    layout, file = layout_of(tmp_path), tmp_path / "drugs.csv"
    file.write_bytes(csv_of("drugs", [{"code": "A1"}]))
    load_file(layout, "drugs", file)
    before = snapshot(layout)
    file.write_bytes(csv_of("drugs", [{"code": "B2"}, {"code": "a"}]))
    with pytest.raises(ReferenceFileError):
        load_file(layout, "drugs", file)
    assert snapshot(layout) == before


def test_the_samples_are_taken_whole_and_named_in_full() -> None:
    assert read_folder(samples()).tables.keys() == {table.name for table in TABLES}


# the command line


def read_rows(store: str, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = (
        DeltaTables(layout_of(store)).dataset(name).to_table().to_pylist()
    )
    return rows


def test_load_list_and_run(tmp_path: Path, capsysbinary: Out) -> None:
    store, file = str(tmp_path / "store"), tmp_path / "fees.csv"
    file.write_bytes(csv_of("fee_items", []))
    assert main(["reference", "load", "fee_items", str(file), "--store", store]) == 0
    assert main(["reference", "list", "--store", store, "--format", "json"]) == 0
    lines = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()[1:]]
    assert {line["name"]: line["rows"] for line in lines if line["version"]} == {"fee_items": 0}
    run = ["run", str(UPLOAD), "--store", store, "--received-at", "2025-04-02T20:55"]
    assert main([*run, "--format", "json"]) == 0
    summary = json.loads(capsysbinary.readouterr().out.splitlines()[-1])
    assert summary["counts"]["records_rejected"] == 1  # B41 is not in the empty fee schedule
    (row,) = read_rows(store, "uploads")
    assert main(["receipt", row["upload_id"], "--store", store, "--format", "json"]) == 0
    receipt = orjson.loads(capsysbinary.readouterr().out)
    assert len(receipt["reference"]) == 16  # the tables of then, whatever is loaded now
    assert "fee_items" not in {one["needs"] for one in receipt["not_checked"]}


def test_check_with_tables_finds_more_and_leaves_less_unchecked(
    tmp_path: Path, capsysbinary: Out
) -> None:
    check = ["check", str(UPLOAD), "--as-of", "2025-04-02T20:55", "--format", "json"]
    assert main(check) == 0
    without = orjson.loads(capsysbinary.readouterr().out)
    (tmp_path / "fee_items.csv").write_bytes(csv_of("fee_items", []))
    assert main([*check, "--reference", str(tmp_path)]) == 1
    found = orjson.loads(capsysbinary.readouterr().out)
    assert [(f["field"], f["code"]) for f in found["findings"]] == [("D06", "11")]
    assert (without["reference"], len(found["reference"])) == (None, 16)
    unchecked = [{u["needs"] for u in answer["not_checked"]} for answer in (without, found)]
    assert unchecked[0] - unchecked[1] == {"fee_items"}


def test_a_wrong_table_is_wrong_usage(tmp_path: Path, capsysbinary: Out) -> None:
    (tmp_path / "drug.csv").write_bytes(b"code,from,until\n")
    assert main(["check", str(UPLOAD), "--reference", str(tmp_path)]) == WRONG_USAGE
    assert "沒有這個參考表" in capsysbinary.readouterr().err.decode()


def test_uploads_keep_their_verdicts_with_the_sample_tables(capsysbinary: Out) -> None:
    folder = UPLOAD.parent
    names = sorted(path for path in folder.glob("*.xml") if path.name < "14")
    check = ["check", *map(str, names), "--as-of", "2025-04-02T20:55", "--format", "json"]
    assert main([*check, "--reference", str(samples())]) == 0
    answers = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
    assert [answer["findings"] for answer in answers] == [[]] * len(names)
    mixed = ["check", str(folder / "14_mixed_batch_with_errors.xml"), "--format", "json"]
    said = []
    for more in ([], ["--reference", str(samples())]):
        assert main([*mixed, "--as-of", "2025-05-01T12:00", *more]) == 1
        said.append(orjson.loads(capsysbinary.readouterr().out)["findings"])
    assert said[0] == said[1]
