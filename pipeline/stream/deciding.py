"""Decisions on held uploads, as they come between two barriers → the rows that they change.

The same rows as when the store is held by who decides (``pipeline.held``): the upload's takes the
place of the one it has, its redeliveries follow it, ``held`` gets the decision.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.decided import (
    STATUS,
    Row,
    decision_row,
    hold_of,
    not_yet_told,
    replace_upload,
)
from pipeline.outcome import Decision
from pipeline.store.store import Store
from pipeline.stream.parts import Checked
from schemas.tables import FINDINGS

FAILED: Final = "failed"  # the status of an upload that we failed on; it is in no table


class Decisions:
    """Those of one step. ``rows`` are those of its uploads, by id, and ``holds`` why some of them
    are held; every other upload that is decided on is committed."""

    def __init__(self, store: Store, rows: dict[str, Row], holds: Mapping[str, Row]) -> None:
        self._store, self._rows, self._holds = store, rows, holds
        self.replaced: dict[str, Row] = {}
        """What takes the place of committed rows, by upload id."""
        self.decided: dict[str, Decision] = {}
        """What became of each, by upload id."""

    def take(self, row: Row, decision: tuple[Decision, str | None, str]) -> None:
        """One decision; ``row`` is the upload's as it is taken now. Where we failed on it, it stays
        held."""
        kind, by, at = decision
        upload_id = row["upload_id"]
        here = self._rows.get(upload_id)
        before = here or self._store.upload(upload_id)
        if row["status"] == FAILED or before is None or before["status"] != "held":
            return
        now = dict(before if kind == "drop" else row)
        if now["status"] != "refused":
            now["status"] = STATUS[kind]
        (self.replaced if here is None else self._rows)[upload_id] = now
        for again in self._rows.values():
            if again["redelivery_of"] == upload_id:
                again["status"] = now["status"]
        hold = self._holds.get(upload_id) or hold_of(self._store, upload_id)
        moment = datetime.fromisoformat(at)
        self._store.stage("held", decision_row(hold, now["sequence"], kind, by, moment))
        self.decided[upload_id] = kind

    def stage(self) -> None:
        """Committed rows are replaced with the next commit. Not while one is under way."""
        for row in self.replaced.values():
            replace_upload(self._store, row)

    def findings(
        self, checked: Sequence[Checked], merged: pa.Table
    ) -> tuple[pa.Table, dict[str, pa.Table]]:
        """Rows of ``findings`` of a step as they are staged; and by upload that was decided on, all
        that are told of it. ``merged`` are those of the merge."""
        of_check = _joined(one.findings for one in checked if one.decision is None)
        again = _joined(one.findings for one in checked if one.decision is not None)
        ids = pa.array(self.decided, pa.string())
        of_decided = pc.is_in(merged["upload_id"], ids)
        staged = [of_check, merged.filter(pc.invert(of_decided))]
        again, told = _joined([again, merged.filter(of_decided)]), dict[str, pa.Table]()
        for upload_id, kind in self.decided.items():
            chosen = pc.field("upload_id") == upload_id
            before = self._store.read("findings", chosen).select(FINDINGS.names)
            before = _joined([before.cast(FINDINGS), of_check.filter(chosen)])
            new = again.filter(chosen) if kind == "release" else FINDINGS.empty_table()
            new = not_yet_told(before, new)
            staged.append(new)
            told[upload_id] = _joined([before, new])
        return _joined(staged), told


def _joined(tables: Iterable[pa.Table | None]) -> pa.Table:
    return pa.concat_tables([FINDINGS.empty_table(), *(t for t in tables if t is not None)])
