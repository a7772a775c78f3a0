"""A record's XML for people: masked as ever, and marked where its findings are."""

from __future__ import annotations

import re
from datetime import datetime
from itertools import groupby
from pathlib import Path

from visit_records import CLINIC, PERSON, TAIPEI, Record, moment, prescribing, upload

from pipeline.core import process
from pipeline.generate.generate import generate
from pipeline.outcome import Envelope
from pipeline.report.answer import Answer, Finding, answer_of
from pipeline.report.marked_xml import RecordBytes, Segment, marked_xml
from pipeline.report.places import CODECS
from pipeline.report.record_xml import record_xml
from rules import load_plan

EVENING = datetime(2025, 12, 21, 21, tzinfo=TAIPEI)
LAST_NIGHT = moment("2025-12-20T18:30")
GOOD = prescribing(CLINIC, PERSON, LAST_NIGHT, "AB")


def answer(data: bytes) -> Answer:
    """What is said of an upload."""
    processed = process(data, Envelope(EVENING, CLINIC), load_plan())
    return answer_of(processed, 0, "", "")


def record_bytes(told: Answer, record: int) -> tuple[bytes, int]:
    """The bytes of a record, and where they begin."""
    assert told.source is not None, told.refusal
    batch, row = told.source.batch, told.source.row(record)
    start = int(batch.record_offset[row] - batch.start[0])
    stop = start + int(batch.record_length[row])
    return told.source.payload[start:stop].tobytes(), start


def marked(
    data: bytes, told: Answer | None = None, record: int = 1
) -> tuple[list[Segment], list[Finding]]:
    """A record of an upload, and its findings."""
    told = told or answer(data)
    sent, start = record_bytes(told, record)
    line = data[:start].count(b"\n") + 1
    findings = [one for one in told.findings if one.record == record]
    return marked_xml(RecordBytes(sent, start, line, told.encoding), findings), findings


def marked_by(data: bytes, field: str, order: int | None) -> list[Segment]:
    """The first record with one finding, which stands at a start tag."""
    told = answer(data)
    sent, start = record_bytes(told, 1)
    at = start if order is None else [m.start() for m in re.finditer(b"<MB2>", data)][order - 1]
    finding = Finding(1, order, field, "Y012", "reject", "a/rule", at, 0, None)
    return marked_xml(RecordBytes(sent, start, 1, told.encoding), [finding])


def of(data: bytes, field: str, order: int | None = None) -> list[Segment]:
    """The segments that a field's findings mark."""
    segments, findings = marked(data)
    wanted = {
        n for n, one in enumerate(findings)
        if one.field == field and order in (None, one.order)
    }  # fmt: skip
    assert wanted
    return [one for one in segments if wanted & set(one.findings)]


def text(segments: list[Segment]) -> str:
    return "".join(one.text for one in segments)


def test_a_value_is_marked_in_its_line() -> None:
    (segment,) = of(upload([GOOD.but(M07="ZZ")]), "M07")
    assert segment.text == "ZZ"
    assert (segment.line, segment.order) == (4, None)


def test_a_value_behind_chinese_is_marked_all_the_same() -> None:
    first, second = (dict(order) for order in GOOD.orders)
    orders = (first | {"D06": "藥品代碼", "D14": "口服"}, second | {"D10": "許多"})
    data = upload([Record(GOOD.fields, orders)])
    (segment,) = of(data, "D10", order=2)
    assert (segment.text, segment.order) == ("許多", 2)


def test_an_absent_field_is_marked_where_it_belongs() -> None:
    segments, findings = marked(upload([GOOD.but(M07=None)]))
    place = next(n for n, one in enumerate(segments) if one.findings and not one.text)
    assert findings[segments[place].findings[0]].field == "M07"
    assert segments[place - 1].text.endswith("</M06>")
    assert segments[place + 1].text.startswith("<M1")


def test_an_absent_field_of_an_order_is_marked_in_that_order() -> None:
    first, second = (dict(order) for order in GOOD.orders)
    del second["D06"]
    segments, _ = marked(upload([Record(GOOD.fields, (first, second))]))
    (segment,) = (one for one in segments if one.findings and not one.text)
    assert segment.order == 2


def test_an_empty_field_is_marked_by_its_tags() -> None:
    assert text(of(upload([GOOD.but(M07="")]), "M07")) == "<M07></M07>"
    data = upload([GOOD]).replace(b"<M07>01</M07>", b"<M07/>").replace(b"<M07>02</M07>", b"<M07/>")
    assert text(of(data, "M07")) == "<M07/>"


def test_a_finding_on_an_order_marks_the_whole_of_it() -> None:
    whole = [one for one in marked(upload([GOOD]))[0] if one.order == 2]
    cut = marked_by(upload([GOOD]), "MB2", 2)
    assert text([one for one in cut if one.findings]) == text(whole)


def test_orders_that_are_missing_are_marked_behind_the_visit() -> None:
    cut = marked_by(upload([Record(GOOD.fields)]), "MB2", None)
    place = next(n for n, one in enumerate(cut) if one.findings)
    assert cut[place].text == ""
    before, after = text(cut[:place]), text(cut[place:])
    assert before.rstrip().endswith("</MB1>")
    assert after.startswith("</MB>")


def test_an_upload_without_line_breaks_is_shown_in_rows() -> None:
    data = upload([GOOD.but(M07="ZZ")]).replace(b"\n", b"")
    segments, _ = marked(data)
    assert {one.line for one in segments} == {1}
    rows = [text([*row]) for _, row in groupby(segments, key=lambda one: one.row)]
    assert "<M07>ZZ</M07>" in rows
    assert max(map(len, rows)) < 100


def test_texts_too_long_to_read_are_cut() -> None:
    long = "病" * 3_000
    data = upload([Record(GOOD.fields, (dict(GOOD.orders[0]) | {"D14": long},))])
    segments, _ = marked(data)
    assert max(len(one.text) for one in segments) < 1_000
    assert "…" in text(segments)


def test_nothing_steers_the_screen() -> None:
    data = upload([GOOD.but(M36="&#x202e;")]).replace(b"&amp;", b"&")
    assert "\u202e" not in text(marked(data)[0])


def test_segments_are_the_masked_record_and_every_finding_marks_some(tmp_path: Path) -> None:
    generate(records=400, uploads=40, seed=5, faults=0.4, out=tmp_path)
    marks = 0
    for path in sorted(tmp_path.glob("*.xml")):
        payload = path.read_bytes()
        told = answer(payload)
        for number in range(1, told.counts.records + 1):
            marks += agreeing(payload, told, number)
    assert marks > 150


def agreeing(payload: bytes, told: Answer, number: int) -> int:
    """How many findings mark a record, after seeing that they and its text are right."""
    segments, findings = marked(payload, told, number)
    codec = CODECS[told.encoding]
    whole = record_bytes(told, number)[0].decode(codec)
    assert squeezed(text(segments)) == squeezed(record_xml(whole, clear=False))
    assert {n for one in segments for n in one.findings} == set(range(len(findings)))
    for place, one in enumerate(findings):
        shown = text([segment for segment in segments if place in segment.findings])
        raw = payload[one.offset : one.offset + one.length].decode(codec)
        element = f"<{one.field}>{raw}</{one.field}>"
        if raw and record_xml(element, clear=False) == element:
            assert squeezed(shown) == squeezed(raw)
    return len(findings)


def squeezed(xml: str) -> str:
    return re.sub(r"\s", "", xml)
