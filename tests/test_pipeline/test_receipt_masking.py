"""What is masked in whatever others may see, and what makes a value fit to print."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.masking import masked
from pipeline.report.printable import MAX_SHOWN_CHARACTERS, printable
from pipeline.report.record_xml import record_xml
from schemas import fields

PERSON = "A123456789"
PERSONAL = [f.id for f in fields().values() if f.personal]


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("M03", PERSON, "A1******89"),
        ("M06", "K199988771", "K1******71"),
        ("M02", "900009935262", "90********62"),
        ("M04", "0700315", "070****"),
        ("M04", "70/03/15", "********"),
        ("M15", "G2W4YTA17GEHM3C7SHS8", "G2W4YT**************"),
        ("M15", PERSON, "A1******89"),
        ("M16", "MISS0000000000000000", "MISS0000000000000000"),
        ("M16", "9" * 20, "9" * 20),
        ("M16", "SM000000000000000000", "SM000000000000000000"),
        ("M03", "A12", "***"),
        ("M05", "3999019987", "3999019987"),
        ("D15", f"家屬{PERSON}來電", "家屬A1******89來電"),
        ("M05", PERSON, "A1******89"),
        ("XYZ", PERSON, "A1******89"),
        ("M07", f"x{PERSON}03", "xA***********"),
        ("D15", "Ａ１２３４５６７８９", "A1******89"),
        ("M17", "G2W4YTA17GEHM3C7SHS8", "G2W4YT**************"),
        ("M17", "SM000000000000000000", "SM000000000000000000"),
        ("M03", "", ""),
        ("M03", None, None),
        ("M14", "1C93908942F549DB", None),
        ("D11", "C6B3C091266DBF23", None),
    ],
)
def test_masks(field: str, value: str | None, shown: str | None) -> None:
    assert masked(field, value) == shown


@given(st.sampled_from(PERSONAL), st.text(min_size=1, max_size=40))
def test_a_personal_field_never_shows_more_than_half_unless_it_names_nobody(
    field: str, value: str
) -> None:
    shown = masked(field, value) or ""
    assert len(shown) == len(value)
    hidden = sum(a == "*" for a in shown)
    special = value in ("MISS0000000000000000", "9" * 20) or value.endswith("0" * 16)
    assert hidden * 2 >= len(value) or special


@given(st.text(max_size=400))
def test_printable_is_one_bounded_line_without_control(text: str) -> None:
    shown = printable(text)
    assert "\n" not in shown
    assert "\r" not in shown
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert shown.count("\\u") or len(shown) <= MAX_SHOWN_CHARACTERS


def test_a_cut_is_visible() -> None:
    assert printable("長" * 300).endswith("…")
    assert len(printable("長" * 300)) == MAX_SHOWN_CHARACTERS
    assert printable("長" * MAX_SHOWN_CHARACTERS) == "長" * MAX_SHOWN_CHARACTERS


def test_a_terminal_can_not_be_steered() -> None:
    assert printable("\u009b2J\u202eabc\x07") == "\\u009b2J\\u202eabc\\u0007"


@pytest.mark.parametrize("field", ["D06", "A73"])
def test_the_code_of_a_drug_can_be_read_where_it_belongs(field: str) -> None:
    assert masked(field, "AC45856100") == "AC45856100"
    assert masked(field, "A123456789") == "A1******89"  # a person's id strayed there
    assert masked(field, "A800000014") == "A8******14"
    assert masked("D12", "AC45856100") == "AC******00"
    xml = f"<{field}>AC45856100</{field}><D12>AC45856100</D12>"
    assert record_xml(xml, clear=False) == f"<{field}>AC45856100</{field}><D12>AC******00</D12>"
