"""The error CSV: complete, readable by a spreadsheet, and unable to run anything there."""

import csv
import io
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.core import process
from pipeline.outcome import Envelope
from pipeline.report.answer import Answer, Finding, answer_of
from pipeline.report.error_csv import COLUMNS, error_csv, neutralised
from rules import load_plan

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
AS_OF = datetime(2025, 5, 1, 12, tzinfo=ZoneInfo("Asia/Taipei"))
MIXED = (SAMPLES / "14_mixed_batch_with_errors.xml").read_bytes()
EVIL_STARTS = ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫"]


def answer_to(payload: bytes) -> Answer:
    processed = process(payload, Envelope(AS_OF, name="a.xml"), load_plan())
    return answer_of(processed, 0, "0" * 64, "0.1.0")


def rows(data: bytes, encoding: str = "utf-8-sig") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode(encoding), newline="")))


def with_value(value: str) -> Answer:
    finding = Finding(2, 1, "D15", "AB", "reject", "none", 300, 1, value)
    return replace(answer_to(MIXED), findings=[finding])


def test_columns_are_the_published_ones() -> None:
    data = error_csv([answer_to(MIXED)])
    assert data.startswith(b"\xef\xbb\xbfrecord,order,field,name,code,severity,value,message,")
    assert data.split(b"\r\n")[0].decode("utf-8-sig") == (
        "record,order,field,name,code,severity,value,message,remedy,M15,M11,line,offset"
    )
    assert len(COLUMNS) == 13


def test_sample_14_row_by_row() -> None:
    got = rows(error_csv([answer_to(MIXED)]))
    assert [(r["record"], r["order"], r["field"], r["code"]) for r in got] == [
        ("2", "", "M15", "AA"),
        ("3", "", "M13", "AD01"),
        ("4", "", "M13", "AD02"),
        ("5", "", "M49", "AF"),
        ("6", "1", "D01", "BE"),
        ("6", "1", "D09", "D041"),
        ("7", "1", "D04", "D064"),
        ("8", "", "M15", "D005"),
        ("9", "", "M07", "Y008"),
        ("10", "", "M52", "D054"),
    ]
    assert {r["severity"] for r in got} == {"reject"}
    assert all(r["message"] and r["remedy"] and r["name"] for r in got)


def test_every_row_points_at_its_bytes() -> None:
    lines = MIXED.split(b"\n")
    for row in rows(error_csv([answer_to(MIXED)])):
        offset, line = int(row["offset"]), int(row["line"])
        assert MIXED.count(b"\n", 0, offset) + 1 == line
        if row["value"]:
            assert MIXED[offset:].startswith(row["value"].encode())
            assert f"<{row['field']}>".encode() in lines[line - 1]


def test_ids_stand_in_clear_for_the_institution_itself() -> None:
    got = rows(error_csv([answer_to(MIXED)]))
    assert got[7]["M15"] == "G2W4YTB27GEHL3C7SPZY"
    assert got[0]["M15"] == ""
    assert got[0]["M11"] == "1140501090000"


@pytest.mark.parametrize("encoding", ["utf-8", "big5"])
@pytest.mark.parametrize("start", EVIL_STARTS)
def test_no_cell_starts_a_formula(start: str, encoding: str) -> None:
    data = error_csv([with_value(start + 'HYPERLINK("http://x","y")')], encoding)  # type: ignore[arg-type]
    (row,) = rows(data, "utf-8-sig" if encoding == "utf-8" else "cp950")
    assert row["value"].startswith("'")
    assert row["value"].endswith('HYPERLINK("http://x","y")')


def test_a_formula_in_a_note_of_a_real_upload() -> None:
    note = "=cmd|' /C calc'!A0"
    evil = MIXED.replace(b"<D14>PO</D14>", f"<D14>PO</D14><D15>{note}</D15>".encode())
    evil = evil.replace(b"<M13>1600</M13>", b"<M13>=1+1</M13>")
    (row,) = [r for r in rows(error_csv([answer_to(evil)])) if r["record"] == "3"]
    assert row["field"] == "M13"
    assert row["value"] == "'=1+1"


@given(st.text(max_size=300))
def test_any_cell_is_safe_and_one_line(text: str) -> None:
    cell = neutralised(text)
    assert "\n" not in cell
    assert "\r" not in cell
    stripped = cell.lstrip(" \u3000\u00a0")
    assert not stripped or stripped[0] not in "=+-@＝＋－＠\t\0"


@pytest.mark.parametrize("value", ['a"b', "a,b", "a\nb", "'", '","', "a;b", "許功蓋"])
def test_awkward_values_stay_in_their_cell(value: str) -> None:
    (row,) = rows(error_csv([with_value(value)]))
    assert row["value"] == value.replace("\n", " ")
    assert row["offset"] == "300"
    assert None not in row


def test_very_long_values_are_cut_visibly() -> None:
    (row,) = rows(error_csv([with_value("長" * 100_000)]))
    assert len(row["value"]) == 256
    assert row["value"].endswith("…")


def test_big5_shows_what_it_lacks() -> None:
    (row,) = rows(error_csv([with_value("王\U0001f600建")], "big5"), "cp950")
    assert row["value"] == "王□建"


def test_a_refusal_is_a_row_without_record() -> None:
    refused = answer_to((SAMPLES / "17_bad_utf8.xml").read_bytes())
    (row,) = rows(error_csv([refused]))
    assert (row["record"], row["code"], row["severity"]) == ("", "Y014", "refuse")
    assert refused.refusal is not None
    assert row["offset"] == str(refused.refusal.offset)
    assert row["line"] == str(refused.refusal.line)


def test_several_uploads_are_named_in_a_last_column() -> None:
    answers = [answer_to(MIXED), replace(answer_to(MIXED), name="=b.xml")]
    got = rows(error_csv(answers, name_uploads=True))
    assert [r["upload"] for r in got] == ["a.xml"] * 10 + ["'=b.xml"] * 10
