"""The text receipt of an upload in format 1.0: the same layout, its own fields."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from pipeline.core import process
from pipeline.outcome import Envelope
from pipeline.report.answer import answer_of
from pipeline.report.receipt import SEPARATOR, receipt
from pipeline.taipei import TAIPEI
from rules import load_plan
from schemas import V1

SAMPLE = Path(__file__).parents[1] / "fixtures" / "samples_v1" / "04_with_errors.xml"
RECEIVED = datetime(2024, 3, 20, 21, 0, tzinfo=TAIPEI)


def blocks() -> list[str]:
    made = process(SAMPLE.read_bytes(), Envelope(RECEIVED), load_plan(version="1.0"))
    return receipt(answer_of(made, 0, "", "")).decode("cp950").split(SEPARATOR)


def test_the_head_tells_version_institution_and_module() -> None:
    head = blocks()[0]
    values = re.findall(r"\[(.*?)\]", head)
    assert len(values) == 12
    assert values[0].strip() == "3999019987"
    assert values[1].strip() == "000039990199"
    assert values[2] == "1.0"


def test_records_are_echoed_by_their_own_fields() -> None:
    record = blocks()[1]
    assert record.strip().startswith("第[2]筆")
    assert "A00=[ 1 ] A01=[ 1 ] A02=[ 1.0 ]" in record
    assert "A12=[ NULL ]" in record
    assert "A22" not in record  # the signature
    assert "A45" not in record  # nobody knows what it means, and it isn't there
    assert record.rstrip().endswith("A12:AA;A23:AD;")


def test_the_legend_is_that_of_the_format() -> None:
    legend = blocks()[-1]
    named = re.findall(r"<([A-Z][0-9]{2})>", legend)
    assert named == [f for f in (*V1.visit_fields, *V1.order_fields) if f not in V1.header_fields]
    assert "[Y000]" in legend
