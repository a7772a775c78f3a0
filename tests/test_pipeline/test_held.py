"""Held uploads: released they are merged then, dropped never; either once."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from scenario import Scenario, run_all
from visit_records import HOSPITAL, PERSON, moment, visit

from pipeline.errors import UnknownUploadError
from pipeline.held import Decision, decide_held
from rules import load_plan
from tests.oracle.replay_tables import expected, stored

MORNING = moment("2025-12-20T09:30:00")


@pytest.fixture
def story() -> Scenario:
    """Thirty visits; an upload that deletes them all, held; a correction of the first after it."""
    story = Scenario()
    sent = [visit(HOSPITAL, PERSON, MORNING + n) for n in range(30)]
    story.send(*sent)
    assert story.send(*(one.as_format("D") for one in sent)) == "held"
    assert story.send(sent[0].but(M44="111")) == ""
    return story


def held_id(store: Path) -> str:
    """The upload that is, or was, held."""
    (found,) = pl.read_delta(str(store / "tables/held")).filter(action="hold")["upload_id"]
    return str(found)


@pytest.mark.parametrize("decision", ["release", "drop"])
def test_a_decision_is_as_if_replayed(story: Scenario, decision: Decision, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_all(story.sent, store, tmp_path / "in", 40_000)
    answer = story.replay.answers[1]
    getattr(story.replay, decision)(answer)
    upload_id = held_id(store)
    before = decide_held(str(store), [upload_id], decision, load_plan(), by="A. Chen")
    assert before == {upload_id: "held"}
    rows = stored(store, False)
    for name, wanted in expected(story.replay).items():
        assert rows[name] == wanted, name
    decided = pl.read_delta(str(store / "tables/held")).sort("decided_at")
    assert decided["action"].to_list()[-1] == decision
    assert decided["by"].to_list()[-1] == "A. Chen"
    assert decided["deletes"].to_list() == [30, 30]


def test_deciding_twice_changes_nothing(story: Scenario, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_all(story.sent, store, tmp_path / "in", 40_000)
    upload_id = held_id(store)
    decide_held(str(store), [upload_id], "release", load_plan())
    once = stored(store, False)
    assert decide_held(str(store), [upload_id], "drop", load_plan()) == {upload_id: "done"}
    assert stored(store, False) == once


def test_an_unknown_upload_is_told(story: Scenario, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_all(story.sent, store, tmp_path / "in", 40_000)
    with pytest.raises(UnknownUploadError):
        decide_held(str(store), ["0" * 26], "release", load_plan())
