"""Every upload there is: in the tables, told and not yet there, or still waiting.

An upload goes from waiting to told to the tables, and leaves the one only when it is in the other.
So the three are read in that order, and what is found in several counts as the furthest: a list
never lacks an upload and never has it twice, whatever is committed meanwhile.
"""

from __future__ import annotations

from dataclasses import fields as dataclass_fields
from datetime import UTC, date
from typing import Final

import polars as pl

from pipeline.comparison.window import received_between
from pipeline.desk.service import Outcomes
from pipeline.outcome import Counts
from pipeline.store.kept import KeptTables
from pipeline.stored import Row
from pipeline.upload_ids import least_upload_id
from schemas.tables import REGISTRATION, UPLOADS

WAITING: Final = "waiting"
FAILED: Final = "failed"
HELD: Final = "held"
UNANSWERED: Final = frozenset({WAITING, FAILED})
"""Statuses of uploads without an answer: still to be decided, or kept since we failed on them."""

_EMPTY: Final = pl.DataFrame(UPLOADS.empty_table())
_BLANK: Final[Row] = {
    **dict.fromkeys(_EMPTY.columns),
    **{f.name: 0 for f in dataclass_fields(Counts)},
    **dict.fromkeys(("sha256", "plan", "engine"), ""),
    "sequence": 0,
}


class Uploads:
    """The rows of all uploads of visits, in the columns of ``uploads``; ``status`` may also be
    one of ``UNANSWERED``, whose counts are zero. For any number of threads."""

    def __init__(self, tables: KeptTables, outcomes: Outcomes) -> None:
        self._tables = tables
        self._outcomes = outcomes

    def row(self, upload_id: str) -> Row | None:
        """One upload; ``None`` if there is none of that id, or it is of card registrations."""
        waiting = self._outcomes.waits(upload_id)
        if waiting is not None:
            return _of_waiting(waiting)
        told = self._outcomes.row(upload_id)
        if told is not None and told["status"] != HELD:
            return told
        return self.stored(upload_id) or told  # what was held may be decided since

    def is_held(self, upload_id: str) -> bool:
        """Whether nothing is decided yet of an upload that the tables have as held."""
        told = self._outcomes.row(upload_id)
        return told is None or told["status"] == HELD

    def stored(self, upload_id: str) -> Row | None:
        """One upload as the tables have it."""
        chosen = self._scan().filter(pl.col("upload_id") == upload_id).collect()
        return chosen.row(0, named=True) if chosen.height else None

    def received(
        self, first: date, last: date, institution: str | None, mode: str | None = None
    ) -> pl.LazyFrame:
        """Uploads received on some days (Taipei) from an institution, ``None`` for all of them, in
        no order; redeliveries left out."""
        start, stop = (moment.astimezone(UTC) for moment in received_between(first, last))
        chosen = pl.col("received_at").is_between(start, stop, closed="left")
        # Statistics skip files by upload id only, which begins with the moment.
        chosen &= pl.col("upload_id") >= least_upload_id(start)
        chosen &= pl.col("upload_id") < least_upload_id(stop)
        chosen &= pl.col("redelivery_of").is_null()
        if mode is not None:
            chosen &= pl.col("mode") == mode
        return self.where(chosen, institution)

    def where(self, chosen: pl.Expr, institution: str | None = None) -> pl.LazyFrame:
        """Uploads of which something is true that never changes, in no order; only those of an
        ``institution``, if one is given. Lazy, for there may be millions."""
        memory = self._in_memory()
        stored = self._scan()
        if institution is not None:
            chosen &= pl.col("institution") == institution
            memory = [row for row in memory if row["institution"] == institution]
        if not memory:
            return stored.filter(chosen)
        ids = [row["upload_id"] for row in memory]
        column = pl.col("upload_id")
        committed = stored.filter((column >= min(ids)) & column.is_in(ids)).select("upload_id")
        known = set(committed.collect()["upload_id"])
        left = [row for row in memory if row["upload_id"] not in known]
        of_memory = pl.LazyFrame(left, schema=_EMPTY.schema)
        return pl.concat([stored, of_memory]).filter(chosen)

    def _in_memory(self) -> list[Row]:
        """The rows of what a service has in memory."""
        waiting = self._outcomes.waiting()
        told = {row["upload_id"]: row for row in self._outcomes.rows()}
        return [*told.values(), *(_of_waiting(w) for w in waiting if w["upload_id"] not in told)]

    def _scan(self) -> pl.LazyFrame:
        scanned = self._tables.snapshot("uploads").scan("uploads", _EMPTY.schema)
        return scanned.select(_EMPTY.columns).filter(pl.col("mode") != REGISTRATION)


def _of_waiting(waiting: Row) -> Row:
    known = {name: waiting[name] for name in _EMPTY.columns if name in waiting}
    status = FAILED if waiting["failed"] else WAITING
    moment = waiting["received_at"].astimezone(UTC)
    return _BLANK | known | {"received_at": moment, "status": status}
