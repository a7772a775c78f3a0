"""Every history of every rule on stored uploads, sent to a store with ``run``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from pipeline.merge.state_findings import decided_rules
from pipeline.run import RunOptions, run
from rules import load_plan, load_rules
from rules.model import History, Rule
from tests.rule_histories import Told, Upload, breaks, histories, named, receipt_of, uploads_of


@pytest.mark.parametrize("given", histories(), ids=named)
def test_history_leaves_its_findings_in_the_store(
    given: tuple[Rule, History], tmp_path: Path
) -> None:
    rule, history = given
    uploads = uploads_of(history)
    for number, upload in enumerate(uploads, start=1):
        send(number, upload, tmp_path)
    stored = dict(stored_findings(tmp_path / "store"))
    answers = [receipt_of(stored.get(number, [])) for number in range(1, len(uploads) + 1)]
    assert answers == [upload.expect for upload in uploads]
    found = {rule for told in stored.values() for *_, rule in told}
    assert (rule.id in found) == breaks(rule, history)


def test_the_merge_decides_every_rule_that_is_in_use() -> None:
    rules = {r.id for r in load_rules() if r.decided_by == "state" and r.status == "stable"}
    assert decided_rules("official") == rules
    assert decided_rules("precheck") < rules


def send(number: int, upload: Upload, folder: Path) -> None:
    """One upload, in a run of its own."""
    path = folder / f"{number}.xml"
    path.write_bytes(upload.payload)
    envelope = upload.envelope
    options = RunOptions(received_at=envelope.received_at, institution=envelope.institution)
    run([path], folder / "store", load_plan(), options)


def stored_findings(store: Path) -> Iterator[tuple[int, list[Told]]]:
    """What was found in each upload, by sequence."""
    found = pl.read_delta(str(store / "tables" / "findings"))
    uploads = pl.read_delta(str(store / "tables" / "uploads")).select("upload_id", "sequence")
    joined = found.join(uploads, on="upload_id")
    for (sequence,), own in joined.group_by("sequence"):
        yield int(sequence), own.select("field", "order_no", "code", "rule").rows()
