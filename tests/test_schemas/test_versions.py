"""The 1.0 map says what fields.csv says, and how sure it is."""

from __future__ import annotations

from importlib.resources import files

from schemas import fields
from schemas.versions import PRECHECK_KEY, versions


def test_precheck_key_has_the_counterparts_of_document_001() -> None:
    v1 = versions()["1.0"]
    assert [v1.id_of(f) for f in PRECHECK_KEY] == ["A12", "A13", "A17", "A23"]
    assert {v1.fields[i].certainty for i in ("A12", "A13", "A17", "A23")} == {"documented"}


def test_every_1_0_id_of_the_catalogue_is_mapped_once() -> None:
    named = [f.id for f in fields().values() if f.v1[:1] == "A" and f.v1[1:3].isdigit()]
    v1 = versions()["1.0"].fields
    assert [c.field for c in v1.values()] == named
    assert len(named) == 40


def test_weak_and_redefined_counterparts_are_marked() -> None:
    v1 = versions()["1.0"].fields
    assert {i for i, c in v1.items() if c.certainty == "inferred"} == {"A29", "A30"}
    assert {i for i, c in v1.items() if c.redefined} == {"A72", "A78"}


def test_new_fields_have_no_1_0_counterpart() -> None:
    v1 = versions()["1.0"]
    assert [v1.id_of(f) for f in ("M15", "M16", "M57", "V01")] == [None] * 4


def test_2_0_holds_every_field_and_its_xsd_exists() -> None:
    v2 = versions()["2.0"]
    assert list(v2.fields) == list(fields())
    assert v2.xsd is not None
    assert files("schemas").joinpath("xsd", v2.xsd).is_file()
