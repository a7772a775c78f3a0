"""The sample uploads get the verdicts that their README and the expected receipt name."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

import pytest
from lxml import etree

from rules import load_rules
from tests.oracle.findings import oracle_findings, receipt_text

SAMPLES = Path(__file__).parents[1] / "fixtures" / "samples"
RULES = load_rules()
VALID = sorted(path.name for path in SAMPLES.glob("*.xml") if path.name < "14")


def verdicts(name: str, received: datetime) -> list[str]:
    """The findings of every record of a sample, in receipt grammar."""
    texts = []
    for record in etree.parse(SAMPLES / name).iterfind("REC"):
        cells = [*record.iterfind("MSH/*"), *record.iterfind("MB/MB1/*")]
        visit = {cell.tag: cell.text or "" for cell in cells}
        orders = [{cell.tag: cell.text or "" for cell in order} for order in record.iter("MB2")]
        texts.append(
            receipt_text(oracle_findings(visit, orders, RULES, received, visit.get("M05")))
        )
    return texts


@pytest.mark.parametrize("name", VALID)
def test_valid_sample_has_no_findings(name: str) -> None:
    assert set(verdicts(name, datetime(2025, 4, 2, 20, 55))) == {""}


def test_mixed_batch_has_the_findings_of_its_receipt() -> None:
    receipt = (SAMPLES / "14_expected_receipt.txt").read_text(encoding="cp950")
    blocks = re.findall(r"第\[(\d+)\]筆.*?錯誤原因:(.*?)\s*=====", receipt, re.DOTALL)
    expected = {int(number): re.sub(r"\s", "", text) for number, text in blocks}
    found = verdicts("14_mixed_batch_with_errors.xml", datetime(2025, 5, 1, 12))
    assert {number: text for number, text in enumerate(found, start=1) if text} == expected
    assert len(expected) == 9
