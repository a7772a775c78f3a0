"""The XSD holds for two validators, is fresh, and judges structure only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import xmlschema
from lxml import etree

from schemas import fields, xsd

SAMPLES = Path("tests/fixtures/samples")
GOOD = sorted(p for p in SAMPLES.glob("*.xml") if "bad" not in p.name)
DECLARATION = re.compile(r"\A<\?xml[^>]*\?>")

LXML = etree.XMLSchema(etree.fromstring(xsd.text().encode()))
XMLSCHEMA = xmlschema.XMLSchema10(xsd.text(), defuse="always", allow="none")


def document(body: str) -> str:
    return f"<RECS>{body}</RECS>"


def record(fields_xml: str = "", orders_xml: str = "") -> str:
    return (
        "<REC><MSH><H00>1</H00><H01>A</H01></MSH>"
        f"<MB><MB1>{fields_xml}</MB1>{orders_xml}</MB></REC>"
    )


def valid(text: str) -> bool:
    """What both validators say; they must agree."""
    by_lxml = bool(LXML.validate(etree.fromstring(text.encode())))
    by_xmlschema = bool(XMLSCHEMA.is_valid(text))
    assert by_lxml == by_xmlschema
    return by_lxml


def read(path: Path) -> str:
    return DECLARATION.sub("", path.read_bytes().decode("cp950"))


@pytest.mark.parametrize("path", GOOD, ids=lambda p: p.name)
def test_sample_is_built_as_the_xsd_says(path: Path) -> None:
    assert valid(read(path))


def test_there_are_samples() -> None:
    assert len(GOOD) == 15


@pytest.mark.parametrize("name", ["15_bad_no_closing_RECS.xml", "16_bad_two_RECS.xml"])
def test_broken_sample_is_no_document(name: str) -> None:
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(read(SAMPLES / name).encode())


def test_sample_in_another_encoding_is_not_big5() -> None:
    with pytest.raises(UnicodeDecodeError):
        read(SAMPLES / "17_bad_utf8.xml")


def test_every_field_may_stand_in_its_segment_in_any_order() -> None:
    visit = [f.id for f in fields().values() if f.level == "MB1"]
    order = [f.id for f in fields().values() if f.level == "MB2"]
    assert valid(document(record(
        "".join(f"<{i}>x</{i}>" for i in reversed(visit)),
        "<MB2>" + "".join(f"<{i}/>" for i in reversed(order)) + "</MB2><MB2/>",
    )))  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<REC><MB><MB1/></MB></REC>",
        "<REC><MSH><H00>1</H00></MSH><MB><MB1/></MB></REC>",
        "<REC><MSH><H00>1</H00><H01>A</H01></MSH></REC>",
        "<REC><MSH><H00>1</H00><H01>A</H01></MSH><MB><MB2/></MB></REC>",
        record("<M99>1</M99>"),
        record("<M07>01</M07><M07>01</M07>"),
        record("<D01>1</D01>"),
        record("", "<MB2><M15>1</M15></MB2>"),
        record('<M07 a="1">01</M07>'),
        record("text"),
        record("<M07><M08/></M07>"),
    ],
)
def test_other_structure_is_refused(body: str) -> None:
    assert not valid(document(body))


def test_values_are_left_to_the_rules() -> None:
    assert valid(document(record("<M07>ZZZZ</M07><M11>yesterday</M11><M15/>")))


def test_committed_file_is_fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert xsd.main(["--check"]) == 0
    stale = tmp_path / xsd.NAME
    stale.write_text(xsd.build().replace("M57", "M58"), encoding="utf-8")
    assert xsd.main(["--check", "--out", str(stale)]) == 1
    assert "python -m schemas.xsd" in capsys.readouterr().err
    assert xsd.main(["--out", str(stale)]) == 0
    assert xsd.main(["--check", "--out", str(stale)]) == 0
