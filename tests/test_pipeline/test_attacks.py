"""Hostile documents: each is refused for what it is, soon, and at little cost.

Where a careless reader takes quadratic time, these documents are large enough to be felt and
small enough for a careful one to be done at once; memory is measured beside the bytes given.
"""

from __future__ import annotations

import signal
import tracemalloc
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from pipeline.core import Processed, process, process_many
from pipeline.limits import Limits
from pipeline.outcome import Envelope, Refusal
from pipeline.parse.careful import parse_lxml
from pipeline.parse.decode import Decoded, decode
from pipeline.parse.parse import ParserChoice
from rules import load_plan
from schemas import V2

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
SAMPLE = (SAMPLES / "01_cm_clinic_normal_A.xml").read_bytes()
MOMENT = datetime.fromisoformat("2025-04-02T20:55:00+08:00")
HEAD = b'<?xml version="1.0" encoding="Big5"?>'
RECORD = SAMPLE[SAMPLE.index(b"<REC>") : SAMPLE.index(b"</REC>") + 6]
MEGABYTE = 1 << 20
PATIENCE_SECONDS = 60


@pytest.fixture(autouse=True)
def soon() -> Iterator[None]:
    """A test that hangs fails instead: no document here takes a careful reader seconds."""

    def over(*_: object) -> None:
        raise TimeoutError("far too slow")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE_SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def upload(*parts: bytes) -> bytes:
    return HEAD + b"<RECS>" + b"".join(parts) + b"</RECS>"


def in_visit(hostile: bytes) -> bytes:
    return upload(RECORD.replace(b"</MB1>", hostile + b"</MB1>"))


def in_field(hostile: bytes) -> bytes:
    return upload(RECORD.replace(b"<M07>", b"<M07>" + hostile))


def filled(unit: bytes, size: int = 4 * MEGABYTE) -> bytes:
    return unit * (size // len(unit))


def checked(payload: bytes, limits: Limits | None = None) -> Processed:
    return process(payload, Envelope(MOMENT), load_plan(), limits=limits or Limits())


def refused(payload: bytes, limits: Limits | None = None) -> Refusal:
    refusal = checked(payload, limits).refusals[0]
    assert refusal is not None
    return refusal


# markup that is never closed, or closed again and again


@pytest.mark.parametrize(
    "payload",
    [
        upload(RECORD, filled(b"<!--")),
        upload(RECORD, filled(b"<?a")),
        in_field(filled(b"<![CDATA[")),
        upload(filled(b"<")),
        upload(filled(b"<a '<a' ")),
        upload(b"<REC", filled(b" ")),
        upload(b"<", filled(b"x", MEGABYTE)),
        upload(RECORD, b"</RECS", filled(b" "), b"x"),
        HEAD + filled(b"<!---->") + b"<RECS>" + filled(b"<!--"),
        upload(RECORD, filled(b"\n"), b"&"),
    ],
    ids=["comments", "instructions", "cdata", "brackets", "quotes", "spaces", "name", "end tag",
         "prolog", "lines"],
)  # fmt: skip
def test_markup_without_end_is_refused_in_linear_time(payload: bytes) -> None:
    """Each of these took hours at the largest size: every start was a search to the end."""
    assert refused(payload).code in {"Y001", "Y007"}


def test_deep_nesting_is_not_searched_for_records() -> None:
    """In a broken document: an opening REC asked the whole stack whether one is open."""
    deep = filled(b"<a>", MEGABYTE) + filled(b"<REC></REC>", MEGABYTE)
    assert refused(upload(RECORD, b"&", deep)).code == "Y001"


@pytest.mark.parametrize(
    "payload",
    [
        HEAD + b"<!--" + filled(b"x-") + b"--><RECS a=''/>",
        upload(RECORD.replace(b"<MB1>", b"<MB1 " + filled(b'a="" ') + b">")),
        in_field(b"<![CDATA[" + filled(b"\xa4\xa4") + b"]]>"),
        in_visit(filled(b"<a>")),
        in_visit(b"<a>" + filled(b"<b/>") + b"</a>"),
    ],
    ids=["comment", "attributes", "cdata", "depth", "inside a faulty element"],
)
def test_a_large_piece_costs_little_more_than_its_bytes(payload: bytes) -> None:
    decoded = decode(payload)
    assert isinstance(decoded, Decoded)
    tracemalloc.start()
    try:
        answer = parse_lxml(payload, decoded, Limits(), V2, start=0, upload=0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(answer, Refusal)
    assert peak < 8 * len(payload)


def test_a_tag_longer_than_any_is_refused_before_it_is_whole() -> None:
    """libxml2 keeps every attribute of a tag that is not refused in time."""
    tag = b"<MB1 " + filled(b'a="" ', 15 * MEGABYTE) + b">"
    refusal = refused(upload(RECORD.replace(b"<MB1>", tag)))
    assert (refusal.code, refusal.detail_en) == ("Z005", "a tag or a comment is too long")


@pytest.mark.parametrize("wrong", [b"<M07>03</M08>", b"<M07>&</M07>", b"<<", b"</MB1></REC>"])
def test_a_broken_document_is_refused_for_its_fault_however_long_it_is(wrong: bytes) -> None:
    start = RECORD.replace(b"<M11>", wrong + b"<M11>")
    short, long = (refused(upload(start, RECORD * count)) for count in (2, 10_000))
    assert long == short
    assert short.code == "Y001"


# entities and declarations


@pytest.mark.parametrize(
    "before", [b"", b"<?x y?>", b"<!-- <a> -->", b"<?x <!-- ?>", b"<!-- ?> --><?x?> "]
)
def test_libxml2_never_sees_a_doctype(before: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lxml.etree.XMLParser", None)
    lol = b'<!DOCTYPE RECS [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    payload = HEAD + before + lol + b"<RECS>&a;</RECS>"
    refusal = refused(payload)
    assert (refusal.code, refusal.offset) == ("Y001", payload.index(b"<!DOCTYPE"))


# floods of faults


@pytest.mark.parametrize(
    "payload",
    [
        in_visit(filled(b"<a/>")),
        in_visit(b"".join(b"<Z%06d/>" % i for i in range(300_000))),
        in_visit(filled(b"<M01></M01>", 8 * MEGABYTE)),
        in_visit(filled(b"x<M01/>", 8 * MEGABYTE)),
    ],
    ids=["unknown", "all different", "repeated", "text between"],
)
def test_a_flood_of_structural_faults_refuses_the_upload(payload: bytes) -> None:
    refusal = refused(payload, Limits(findings=20_000))
    assert refusal.code == "Z006"
    assert refusal.offset < payload.index(b"</M56>") + 40  # the first of them


def test_the_limit_of_structural_faults_at_and_one_past_it() -> None:
    limits = Limits(findings=5)
    parsers: tuple[ParserChoice, ...] = ("auto", "lxml")
    for parser in parsers:
        for count, code in ((5, None), (6, "Z006")):
            payload = in_visit(b"<a/>" * count)
            answer = process(payload, Envelope(MOMENT), load_plan(), parser, limits=limits)
            refusal = answer.refusals[0]
            assert (refusal.code if refusal else None) == code


def test_the_limit_of_findings_at_and_one_past_it() -> None:
    """Seven required fields are missing from an empty order."""
    wrong = RECORD.replace(b"</MB1>", b"</MB1>" + b"<MB2></MB2>" * 20)
    found = len(checked(upload(wrong)).findings)
    assert found > 20
    assert len(checked(upload(wrong), Limits(findings=found)).findings) == found
    assert refused(upload(wrong), Limits(findings=found - 1)).code == "Z006"


def test_a_flooded_upload_leaves_its_neighbours_alone() -> None:
    wrong = upload(RECORD.replace(b"</MB1>", b"</MB1>" + b"<MB2></MB2>" * 50))
    payloads = [SAMPLE, wrong, in_visit(b"<a/>" * 50), SAMPLE]
    together = process_many(
        payloads, [Envelope(MOMENT)] * 4, load_plan(), limits=Limits(findings=20)
    )
    codes = [refusal and refusal.code for refusal in together.refusals]
    assert codes == [None, "Z006", "Z006", None]
    assert [together.counts(i).records_accepted for i in range(4)] == [1, 0, 0, 1]
    assert together.findings_of(1) == together.findings_of(2)
