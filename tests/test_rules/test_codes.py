"""Code lists, with their ranges written out."""

from __future__ import annotations

import pytest

from rules.codes import closed_list, error_codes, named_lists, written_out
from schemas import fields


@pytest.mark.parametrize(("entry", "codes"), [
    ("01-03", ["01", "02", "03"]),
    ("08-11", ["08", "09", "10", "11"]),
    ("AA-AC AE", ["AA", "AB", "AC", "AE"]),
    ("IC8A-IC8C", ["IC8A", "IC8B", "IC8C"]),
    ("P8801C-P8803C", ["P8801C", "P8802C", "P8803C"]),
    ("P7714C-P7715B", ["P7714B", "P7714C", "P7715B", "P7715C"]),
    ("V998-", ["V998", "V999"]),
    ("XCOVID0004/0005", ["XCOVID0004", "XCOVID0005"]),
    ("PCRP-COVID19", ["PCRP-COVID19"]),
    ("CV19-S-Ab-N", ["CV19-S-Ab-N"]),
    ("E-G", ["E", "F", "G"]),
])  # fmt: skip
def test_entry_is_written_out(entry: str, codes: list[str]) -> None:
    assert list(written_out(entry)) == codes


def test_classes_are_written_out() -> None:
    codes = list(written_out("IC[0-9][0-9]"))
    assert (len(codes), codes[0], codes[-1]) == (100, "IC00", "IC99")


def test_visit_types_are_a_closed_list() -> None:
    m07 = closed_list("M07")
    assert m07 is not None
    assert {"00", "09", "AA", "AK", "ZB"} <= m07
    assert not {"10", "XA", "AL"} & m07


@pytest.mark.parametrize("field", ["D14", "D08", "M50", "E01", "D07", "M13", "M15", "D06"])
def test_open_lists_close_nothing(field: str) -> None:
    assert closed_list(field) is None


def test_closed_lists_fit_their_fields() -> None:
    for field in fields().values():
        for code in closed_list(field.id) or ():
            assert field.max_length is None or len(code) <= field.max_length, (field.id, code)


@pytest.mark.parametrize(("name", "inside", "outside"), [
    ("COUNTED", "09", "00"),
    ("G1", "04", "05"),
    ("ABN", "C001", "0007"),
    ("TESTCODES", "FSTP-HCV", "R001"),
    ("INJROUTE", "IVD", "PO"),
    ("INJROUTE_OLD", "SCI", "IVD"),
    ("AV", "XCOVID0005", "XCOVID0003"),
    ("RS", "R008", "S005"),
    ("M07_OF_14", "AE", "01"),
    ("M13_normal", "1500", "1501"),
    ("M13_normal", "V001", "V000"),
    ("CANCER", "P7715B", "P7716B"),
])  # fmt: skip
def test_named_list(name: str, inside: str, outside: str) -> None:
    assert inside in named_lists()[name]
    assert outside not in named_lists()[name]


def test_error_codes_are_all_there() -> None:
    assert len(error_codes()) == 240
    assert error_codes()["AA"].meaning_zh
