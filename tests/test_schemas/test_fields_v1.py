"""The fields of 1.0: every counterpart is among them, and what is left blank is as in 2.0."""

from __future__ import annotations

import pytest

from schemas import V1, V2, every_field, fields, layout_of, version_in, versions
from schemas.fields import FORMATS_V1, REGISTRATIONS


def test_every_counterpart_has_a_field_and_its_level() -> None:
    assert V1.fields.keys() <= V1.catalogue.keys()
    for own, counterpart in V1.fields.items():
        field, like = V1.catalogue[own], fields()[counterpart.field]
        assert (field.level, field.name_zh) == (like.level, like.name_zh)
        if own not in ("A01", "A54", "A72", "A78"):
            assert (field.kind, field.max_length) == (like.kind, like.max_length)
            assert field.shape == like.shape


def test_all_ids_in_use_and_no_others() -> None:
    ids = [*range(3), *range(11, 36), *range(36, 65), *range(71, 82)]
    assert list(V1.catalogue) == [f"A{number:02}" for number in ids]
    assert V1.header_fields == ("A00", "A01", "A02")
    assert V2.header_fields == ("H00", "H01")


def test_columns_count_from_0_in_each_table() -> None:
    for version in versions().values():
        for names in (version.visit_fields, version.order_fields):
            assert [version.catalogue[name].index for name in names] == list(range(len(names)))
            assert len(names) <= 64  # what the parser's table of fields has room for


def test_marks_are_of_its_own_formats() -> None:
    for field in V1.catalogue.values():
        assert tuple(field.marks) == FORMATS_V1
        assert set(field.marks.values()) <= {"V", "~", "*", "S*"}
    assert V1.catalogue["A11"].marks == {"1": "V", "2": "~", "3": "V", "4": "~"}


def test_ids_are_of_one_kind_of_upload() -> None:
    assert len(every_field()) == sum(map(len, (V1.catalogue, V2.catalogue))) + len(
        [f for f in every_field() if layout_of(f) == REGISTRATIONS]
    )
    assert version_in(layout_of("A17")) is V1
    assert version_in(layout_of("M11")) is V2
    with pytest.raises(KeyError):
        version_in(REGISTRATIONS)


def test_persons_are_told_in_both() -> None:
    personal = {own for own, c in V1.fields.items() if fields()[c.field].personal}
    assert {f.id for f in V1.catalogue.values() if f.personal} == personal


def test_what_has_no_counterpart_is_said_so() -> None:
    assert V1.own("M11").id == "A17"
    assert V1.id_of("M15") is None
    with pytest.raises(KeyError):
        V1.own("M15")
