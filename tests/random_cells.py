"""Random records for property tests: absent, empty, blank, odd and nearly right cells."""

from __future__ import annotations

from hypothesis import strategies as st

from rules.codes import closed_list
from schemas import Field, fields

MOMENTS = [
    "1140305093012", "1130229235959", "1140229000000", "0011231235960", "0000101000000",
    "0890229000000", "1890229000000", "1891231240000", "1140431000000",
]  # fmt: skip
PERSONS = ["A123456789", "A199999999", "F999000014", "AC01234567", "I123456785", "K19998877A"]
INSTITUTIONS = ["3502060427", "1101110026", "359901A986", "3502060428", "35020604270"]
TREATMENTS = [
    "0USE4FA11RP4J370WR4K", "G2W4YTA17GEHM3C43C8C", "SM" + "0" * 18, "MISS" + "0" * 16, "9" * 20,
    "C001" + "0" * 16, "G2W4YTA17GEHM3C43C8I", "ZZZZZZZZZZZZZZZZZZZZ",
]  # fmt: skip
BY_KIND = {
    "person": PERSONS,
    "institution": INSTITUTIONS,
    "treatment_id": TREATMENTS,
    "datetime": MOMENTS,
    "date": [moment[:7] for moment in MOMENTS],
    "decimal": ["0", "00042.0", "1.5", "1.55", ".5", "12345.6", "123456"],
    "number": ["0", "7", "007", "12", "999", "1234567", "12345678", "9" * 18, "1" * 19],
    "text": ["A123", "J00", "V001", "PO", "59X", "0007", "A1", "a", "123", "890", "21", "中文"],
}  # fmt: skip
BLANKS = st.sampled_from(["", " ", "\t\r\n", " \t ", "\u3000", "\u00a0"])
LONG = ["9" * 300, "A" * 5000, "0" * 12 + "." + "5" * 70, "中" * 300, " " * 400, "A123456789" * 20]
ODD = st.text(st.sampled_from("0123456789ABCIOXYZaz .-\t中é𠀀"), max_size=24)


def likely(field: Field) -> list[str]:
    """Right values of a field, and the wrong ones that look most like them."""
    return BY_KIND.get(field.kind, []) + sorted(closed_list(field.id) or ()) or ["1", "A"]


def every_likely(names: list[str], rows: int) -> list[tuple[dict[str, str], list]]:
    """Records, with two orders each, in which every field takes all its likely values in turn:
    at first all fields in step, so that alike ones are equal, then each at its own."""
    visits: list[tuple[dict[str, str], list]] = []
    for row in range(rows):
        records: list[dict[str, str]] = [{}, {}, {}]
        for place, name in enumerate(names):
            values = likely(fields()[name])
            shift = place * (row // len(values))
            for order in (1, 2) if fields()[name].is_order else (0,):
                records[order][name] = values[(row * max(order, 1) + order + shift) % len(values)]
        visits.append((records[0], records[1:]))
    return visits


def every_long(names: list[str]) -> list[tuple[dict[str, str], list]]:
    """Records, with two orders each, in which every field is far too long; one without cells."""
    visits: list[tuple[dict[str, str], list]] = [({}, [{}, {}])]
    for text in LONG:
        record = {name: text for name in names if not fields()[name].is_order}
        order = {name: text for name in names if fields()[name].is_order}
        visits.append((record, [order, {**order}]))
    return visits


def cell(field: Field) -> st.SearchStrategy[str]:
    """Texts for one field; most of them are likely to be right."""
    right = st.sampled_from(likely(field))
    return st.one_of(right, right, right, right, right.flatmap(_nearly), BLANKS, ODD)


@st.composite
def _nearly(draw: st.DrawFn, text: str) -> str:
    """One edit away."""
    at = draw(st.integers(0, len(text)))
    put = draw(st.sampled_from(["", "0", "9", "Z", "i", " ", "中", ".", ":", "/"]))
    return text[:at] + put + text[at + draw(st.integers(0, 1)) :]


def record_of(names: list[str]) -> st.SearchStrategy[dict[str, str]]:
    """Records in which any of these fields may be there or not."""
    return st.fixed_dictionaries({}, optional={name: cell(fields()[name]) for name in names})


def visits_of(names: list[str]) -> st.SearchStrategy[list[tuple[dict[str, str], list]]]:
    """A few records with a few orders each."""
    visit = [name for name in names if not fields()[name].is_order]
    order = [name for name in names if fields()[name].is_order]
    return st.lists(st.tuples(record_of(visit), st.lists(record_of(order), max_size=4)), max_size=4)
