"""The duty to upload in time: told of first uploads only, and never a reason to refuse."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.core import process
from pipeline.merge.candidates import candidates
from pipeline.merge.duty import LATE, LATE_EMERGENCY, late
from pipeline.merge.merge import MergePolicy
from pipeline.outcome import Envelope, Mode
from pipeline.run import RunOptions, run
from rules import load_plan

SAMPLE = Path(__file__).parents[1] / "fixtures/samples/01_cm_clinic_normal_A.xml"
VISIT = datetime.fromisoformat("2025-03-05T09:30:12+08:00")  # M11 of the sample
DAY, HOUR, SECOND = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1)


def broken(payload: bytes, after: timedelta) -> str | None:
    """The rule that a first upload breaks so long after its visit."""
    plan = load_plan()
    processed = process(payload, Envelope(VISIT + after), plan)
    taken = replace(processed, verdict=np.zeros_like(processed.verdict))
    found = candidates(taken, [1])
    (rule,) = late(taken, found, np.ones(len(found), np.bool_), MergePolicy())
    return None if rule < 0 else plan.rules[rule].id


@pytest.mark.parametrize(
    ("visit_type", "after", "rule"),
    [
        (b"03", DAY, None),
        (b"03", DAY + SECOND, LATE),
        (b"04", HOUR, None),
        (b"04", HOUR + SECOND, LATE_EMERGENCY),
        (b"04", DAY + SECOND, LATE_EMERGENCY),
    ],
)
def test_at_the_limit_and_one_past_it(
    visit_type: bytes, after: timedelta, rule: str | None
) -> None:
    payload = SAMPLE.read_bytes().replace(b"<M07>03", b"<M07>" + visit_type)
    assert broken(payload, after) == rule


def codes(tmp_path: Path, moments: list[timedelta], mode: Mode = "official") -> list[list[str]]:
    """The codes on each receipt when the sample is sent at these times after its visit."""
    told = []
    for number, after in enumerate(moments):
        source = tmp_path / f"{number}.xml"  # another name: sent anew, not redelivered
        source.write_bytes(SAMPLE.read_bytes())
        options = RunOptions(received_at=VISIT + after, mode=mode)
        summary = run([source], tmp_path / "store", load_plan(), options)
        assert summary.counts.records_accepted == 1
        told.append(sorted(summary.codes))
    return told


def test_a_late_visit_is_taken_and_told(tmp_path: Path) -> None:
    assert codes(tmp_path, [2 * DAY]) == [["Z010"]]
    findings = pl.read_delta(str(tmp_path / "store/tables/findings"))
    assert findings["severity"].to_list() == ["warn"]
    assert len(pl.read_delta(str(tmp_path / "store/tables/visits"))) == 1


def test_a_correction_has_no_duty(tmp_path: Path) -> None:
    assert codes(tmp_path, [HOUR, 5 * DAY]) == [[], []]


def test_a_precheck_has_no_duty(tmp_path: Path) -> None:
    assert codes(tmp_path, [5 * DAY], "precheck") == [[]]
