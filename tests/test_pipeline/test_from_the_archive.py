"""``raw`` and ``history`` are enough: what was accepted, read from the bytes, makes the tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from histories import history
from scenario import run_all

from pipeline.core import process
from pipeline.outcome import Envelope
from pipeline.store.archive import read_archived
from pipeline.store.layout import layout_of
from rules import load_plan
from tests.oracle.replay import Answer, Replay, read_visits
from tests.oracle.replay_tables import CURRENT, expected, read, stored
from tests.oracle.visit import Visit


def archived(store: Path) -> dict[tuple[str, int], Visit]:
    """Every record of every upload, as its archived bytes say, by upload id and record."""
    found = {}
    for row in read(store, "uploads").to_dicts():
        payload = read_archived(layout_of(store).raw, bytes.fromhex(row["sha256"]))
        envelope = Envelope(row["received_at"], row["institution"], mode=row["mode"])
        done = process(payload, envelope, load_plan())
        answer = Answer(row["name"], row["sequence"], done.envelopes[0], payload, done, [])
        if done.refusals[0] is None:
            found.update({(row["upload_id"], v.record): v for v in read_visits(answer)})
    return found


@pytest.mark.parametrize("seed", [3, 8])
def test_the_current_tables_from_raw_and_history(seed: int, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run_all(history(seed).sent, store, tmp_path / "in", 7)
    records, replay = archived(store), Replay()
    for row in read(store, "history").sort("sequence", "record").to_dicts():
        visit = records[row["upload_id"], row["record"]]
        replay.apply(row["action"], visit)
        replay.history.append((row["action"], visit))
    tables, wanted = stored(store), expected(replay)
    assert len(tables["visits"]) > 20
    assert len(tables["prescriptions"]) > 5
    for name in CURRENT:
        assert tables[name] == wanted[name], name
