"""Registration files: names, encodings, columns, duplicates, rows of the table."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registration_files import HUA, MEI, MING, NAME, RECEIVED, TAIPEI, check, csv_of, said

from pipeline.register.decode import Decoded
from pipeline.register.limits import REGISTER_LIMITS
from pipeline.register.name import base_name, file_date, name_fields, unit_code
from pipeline.register.rows import registration_rows
from pipeline.register.sheet import Cell, Sheet, read_sheet
from schemas.tables import REGISTRATIONS

TWO = csv_of(f"{MING}, ming@example.com.tw, 0912345678", f"{MEI},mei@example.com.tw")


def test_a_good_file_is_taken_whole() -> None:
    checked = check(TWO)
    assert said(checked) == []
    assert checked.worst == 0
    assert vars(checked.counts) == {"rows": 2, "accepted": 2, "warned": 0, "rejected": 0}


# names


@pytest.mark.parametrize(
    ("given_name", "shown", "findings"),
    [
        (NAME, NAME, []),
        ("11000000120150807.csv", "11000000120150807.csv", []),
        ("inbox/11000000120150807.CSV", NAME, []),
        ("..\\..\\11000000120150807.CSV", NAME, []),
        ("../../etc/passwd", "passwd", ["-:R010", "-:R014"]),
        ("", "", ["-:R010", "-:R014"]),
        (".CSV", ".CSV", ["-:R010"]),
        ("CSV", "CSV", ["-:R010", "-:R014"]),
        ("20150807.CSV", "20150807.CSV", ["-:R010"]),
        ("110000001.CSV", "110000001.CSV", ["-:R011", "-:R012"]),
        ("11000000120150807 (1).CSV", "11000000120150807 (1).CSV", ["-:R010"]),
        ("1100000120150807.CSV", "1100000120150807.CSV", ["-:R011"]),
        ("11000000120150229.CSV", "11000000120150229.CSV", ["-:R012"]),
        ("1100000011040807.CSV", "1100000011040807.CSV", ["-:R011", "-:R012"]),
        ("11000000120150807.CSV.exe", "11000000120150807.CSV.exe", ["-:R010", "-:R014"]),
        ("11000000120150807.CSV\0.txt", "11000000120150807.CSV\0.txt", ["-:R010", "-:R014"]),
        ("11000000120150911.CSV", "11000000120150911.CSV", ["-:R013"]),
        ("１１００００００１20150807.CSV", "１１００００００１20150807.CSV", ["-:R011"]),
        ("11000000\u202e120150807.CSV", "11000000\u202e120150807.CSV", ["-:R011"]),
        ("\ud800.CSV", "?.CSV", ["-:R010"]),
    ],
)
def test_names(given_name: str, shown: str, findings: list[str]) -> None:
    checked = check(TWO, given_name)
    assert checked.name == shown
    assert said(checked) == findings
    assert checked.taken == (not findings or findings == ["-:R013"])


def test_a_name_of_any_length_is_cut() -> None:
    assert len(base_name("1" * 100_000 + ".CSV")) == 255
    assert said(check(TWO, "1" * 100_000)) == ["-:R014", "-:R011", "-:R012"]


@given(st.text())
def test_no_name_is_too_odd(name: str) -> None:
    fields = name_fields(base_name(name))
    assert fields["U00"] == base_name(name)
    assert (unit_code(name) is None) or len(unit_code(name) or "") == 9
    assert file_date(name) is None or isinstance(file_date(name), date)


@given(st.dates(min_value=date(1912, 1, 1)))
def test_every_date_of_the_calendar_is_read(day: date) -> None:
    name = f"110000001{day:%Y%m%d}.CSV" if day.year > 999 else NAME
    received = datetime(9999, 12, 30, tzinfo=TAIPEI)
    assert file_date(name) == (day if day.year > 999 else date(2015, 8, 7))
    if day.year < 2911:  # three digits of a ROC year
        assert said(check(TWO, name, received)) == []


# encodings


CHINESE = csv_of(
    "身分證號,電子郵件,手機", f"{MING},ming@example.com.tw,０９", f"{MEI},mei@example.com.tw"
)


@pytest.mark.parametrize(
    ("payload", "encoding"),
    [
        (TWO.encode(), "ascii"),
        (b"\xef\xbb\xbf" + TWO.encode(), "ascii"),
        (CHINESE.encode(), "utf-8"),
        (CHINESE.encode("utf-8-sig"), "utf-8"),
        (CHINESE.encode("cp950"), "big5"),
    ],
)
def test_encodings(payload: bytes, encoding: str) -> None:
    checked = check(payload)
    assert checked.encoding in (encoding, "utf-8")
    assert checked.counts.rows == checked.counts.accepted == 2
    assert said(checked) == ([] if encoding == "ascii" else ["-:R008", "C2:R050"])
    if encoding != "ascii":
        assert [f.value for f in checked.findings()] == ["身分證號,電子郵件,手機", "０９"]


@pytest.mark.parametrize(
    ("payload", "code", "offset", "line"),
    [
        (b"A,b\r\nC,\xff\xff", "R004", 7, 2),
        (b"A,b\rC,\xffx", "R004", 6, 2),
        (b"\xef\xbb\xbfA,\xa4\xa4", "R004", 5, 1),
        ("王,a\n".encode() + "王,b\n".encode("cp950"), "R004", 6, 2),
        ("王,a".encode("utf-16"), "R004", 0, 1),
        (b"A,b\nC,\0d", "R005", 6, 2),
        (b"PK\x03\x04rest", "R005", 0, 1),
        (b"\xd0\xcf\x11\xe0\xa1", "R005", 0, 1),
        (b"", "R003", 0, 1),
        (b"\xef\xbb\xbf", "R003", 3, 1),
        (b'\r\n,,\r\n""\r\n \t', "R003", 12, 4),
        ("身分證號,電子郵件\r\n".encode(), "R003", 27, 2),
    ],
)
def test_files_that_can_not_be_read(payload: bytes, code: str, offset: int, line: int) -> None:
    refusal = check(payload).refusal
    assert refusal is not None
    assert (refusal.code, refusal.offset, refusal.line) == (code, offset, line)
    assert check(payload).worst == 2


# columns and lines


@pytest.mark.parametrize("ending", ["\n", "\r\n", "\r"])
def test_line_endings_and_blank_lines(ending: str) -> None:
    text = ending.join([f"{MING},ming@example.com.tw", "", ",,", " \u3000,", f"{MEI},no"])
    assert said(check(text)) == ["B5:R043"]
    assert said(check(text + ending)) == ["B5:R043"]


def test_mixed_line_endings_keep_their_numbers() -> None:
    assert said(check(f"\r\r\n\n{MING},x\n\r{MEI},y")) == ["B4:R043", "B6:R043"]


@pytest.mark.parametrize(
    ("row", "findings"),
    [
        (f'"{MING}","a@b.tw","0912345678"', []),
        (f' "{MING}" , "a@b.tw"\t,\t0912345678 ', []),
        (f"\u3000{MING}\u00a0,a@b.tw,", []),
        (f"{MING},a@b.tw,,,,", []),
        (f'{MING},a@b.tw,"",""', []),
        (f"{MING},a@b.tw,0912345678,x", ["D1:R021"]),
        (f"{MING},a@b.tw,,x", ["D1:R021"]),
        (f'"{MING},a@b.tw', ["1:R020"]),
        (f'{MING},"a@b.tw', ["1:R020"]),
        (f'{MING},a"b@c.tw', ["1:R020"]),
        (f'{MING},"a@b.tw"x,', ["1:R020"]),
        (f'{MING},"""a""@b.tw"', ["B1:R043"]),
        (f'{MING},"a,b@c.tw"', ["B1:R043"]),
        (f"{MING}", ["B1:R040"]),
        (",a@b.tw", ["A1:R030"]),
        ("王小明,a@b.tw", ["A1:R031"]),
        ("身分證,電話,0912345678", ["A1:R031", "B1:R041"]),
    ],
)
def test_rows(row: str, findings: list[str]) -> None:
    assert said(check(row)) == findings


def test_an_open_quotation_mark_costs_one_row_only() -> None:
    checked = check(csv_of(f'"{MING},a@b.tw', f"{MEI},mei@example.tw"))
    assert said(checked) == ["1:R020"]
    assert checked.counts.accepted == 1


@pytest.mark.parametrize(
    ("separator", "value"), [(";", ";"), ("\t", "Tab"), ("，", "，"), ("|", "|")]
)
def test_other_separators_are_told_once(separator: str, value: str) -> None:
    text = csv_of(*(separator.join((who, "a@b.tw")) for who in (MING, MEI)))
    checked = check(text)
    (finding,) = checked.findings()
    assert (finding.code, finding.value, finding.offset) == ("R007", value, 10)
    assert checked.worst == 2


def test_every_row_of_a_person_who_stands_twice_is_rejected() -> None:
    rows = [f"{MING},a{n}@b.tw" for n in range(3)] + [f"{HUA},c@b.tw"]
    assert said(check(csv_of(*rows))) == ["A1:R035", "A2:R035", "A3:R035"]
    many = rows + [f"{MEI},d{n}@b.tw" for n in range(200)]
    checked = check(csv_of(*many))
    assert checked.counts.accepted == 1
    assert {f.code for f in checked.findings()} == {"R035"}


CELL = st.text(st.sampled_from('ab1@., "王０\u3000'), max_size=6)


@given(st.lists(st.lists(CELL, min_size=1, max_size=6), min_size=1, max_size=8), st.booleans())
def test_cells_are_those_of_the_csv_module(rows: list[list[str]], utf8: bool) -> None:
    codec = "utf-8" if utf8 else "cp950"
    lines = ["\r\n" if not row else _line(row) for row in rows]
    payload = "".join(lines).encode(codec)
    sheet = read_sheet(payload, Decoded("utf-8" if utf8 else "big5", 0), REGISTER_LIMITS)
    blanks = " \t\u3000\u00a0"
    wanted = [
        [cell.strip(blanks) for cell in row] for row in rows
        if any(cell.strip(blanks + ',"') for cell in row)
    ]  # fmt: skip
    if not isinstance(sheet, Sheet):
        assert wanted == []
        return
    got = [[_value(payload, codec, cell) for cell in row] for row in sheet.cells]
    assert [row[:3] for row in got] == [[*row[:3], *[None] * (3 - len(row))] for row in wanted]
    extra = [any(cell.strip(',"') for cell in row[3:]) for row in wanted]
    assert [row[3] is not None for row in got] == extra
    assert all(row[4] is None for row in got)


def _line(row: list[str]) -> str:
    import io

    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerow(row)
    return text.getvalue()


def _value(payload: bytes, codec: str, cell: Cell | None) -> str | None:
    if cell is None:
        return None
    raw = payload[cell.offset : cell.offset + cell.length].decode(codec)
    return cell.text if cell.text is not None else raw


# rows of the table


def test_accepted_rows_become_rows_of_the_table() -> None:
    text = csv_of(f"{MING},ming@example.com.tw,=1+1", f"{MEI},no", "", f'"{HUA}","hua@b.tw",0912')
    table = registration_rows(check(text), "u1", 7)
    assert table.schema == REGISTRATIONS
    assert [(r["R01"], r["R02"], r["R03"], r["row"]) for r in table.to_pylist()] == [
        (MING, "ming@example.com.tw", None, 1),
        (HUA, "hua@b.tw", "0912", 3),
    ]
    first = table.to_pylist()[0]
    assert (first["insured_unit"], first["file_date"]) == ("110000001", date(2015, 8, 7))
    assert first["received_at"] == RECEIVED.astimezone(UTC)
    for row in table.to_pylist():
        line = text.encode()[row["byte_offset"] : row["byte_offset"] + row["byte_length"]]
        assert row["R01"].encode() in line
        assert b"\n" not in line


def test_nothing_is_taken_of_a_file_with_a_wrong_name_or_none_at_all() -> None:
    for checked in (check(TWO, "a.CSV"), check(b""), check(csv_of(f"{MING};a@b.tw"))):
        table = registration_rows(checked, "u1", 7)
        assert (table.num_rows, table.schema) == (0, REGISTRATIONS)
