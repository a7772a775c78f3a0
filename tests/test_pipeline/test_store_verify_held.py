"""A store is whole while an upload is held, and once it is released or dropped."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from scenario import Scenario, run_all
from visit_records import HOSPITAL, PERSON, moment, visit

from pipeline.held import Decision, decide_held
from pipeline.store.verify import verify
from rules import load_plan


def problems(store: Path) -> list[str]:
    return [problem for one in verify(store) for problem in one.found.problems]


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_held_uploads(decision: Decision, tmp_path: Path) -> None:
    story, store = Scenario(), tmp_path / "store"
    first = moment("2025-12-20T09:30:00")
    sent = [visit(HOSPITAL, PERSON, first + n) for n in range(30)]
    story.send(*sent)
    assert story.send(*(one.as_format("D") for one in sent)) == "held"
    story.send(sent[0].but(M44="111"))
    run_all(story.sent, store, tmp_path / "in", 40_000)
    assert problems(store) == []
    (upload_id,) = pl.read_delta(str(store / "tables/held"))["upload_id"]
    decide_held(str(store), [upload_id], decision, load_plan())
    assert problems(store) == []
