"""The store's slow twin: a dictionary of live visits, one record at a time; and tables as rows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.core import Processed, process
from pipeline.outcome import Envelope, Verdict
from rules import load_plan
from schemas import ORDER_FIELDS, VISIT_FIELDS
from schemas.tables import TABLES

Fields = dict[str, str | None]
SPECIAL = "SM000000000000000000"


@dataclass(frozen=True)
class Visit:
    """A live version: whose, from where, and what it says."""

    institution: str
    visit_date: date
    sequence: int
    record: int
    fields: Fields
    orders: tuple[Fields, ...]


@dataclass
class SlowStore:
    """What the current tables must hold after some uploads."""

    visits: dict[str, Visit] = field(default_factory=dict)
    history: list[tuple[int, int, str]] = field(default_factory=list)
    sequence: int = 0

    def take(self, payload: bytes, received_at: datetime) -> None:
        """One upload, record by record."""
        self.sequence += 1
        processed = process(payload, Envelope(received_at), load_plan())
        for row in range(processed.batch.visits.rows):
            if processed.verdict[row] != Verdict.REJECTED:
                self._record(processed, row, received_at)

    def _record(self, processed: Processed, row: int, received_at: datetime) -> None:
        visit = _visit(processed, row, self.sequence)
        said = visit.fields
        key = said["M15"] or ""
        if key == SPECIAL:
            key = "".join(said[f] or "" for f in ("M15", "M05", "M03", "M11"))
        live = self.visits.get(key)
        own = live is not None and live.institution == visit.institution
        if said["H01"] in ("A", "B"):
            if live and (not own or _over(live.visit_date, received_at)):
                return
            self.visits[key] = visit
            action = "put"
        elif not own:
            return
        elif said["H01"] == "D":
            del self.visits[key]
            action = "delete"
        else:
            action = "cancel" if said["H01"] == "C" else "uncancel"
        self.history.append((self.sequence, visit.record, action))


def _over(visited: date, received_at: datetime) -> bool:
    day = received_at.astimezone(ZoneInfo("Asia/Taipei")).date()
    return (day.year - visited.year) * 12 + day.month - visited.month > 1


def _visit(processed: Processed, row: int, sequence: int) -> Visit:
    batch = processed.batch
    said = {name: batch.value(False, i, row) for i, name in enumerate(VISIT_FIELDS)}
    orders = tuple(
        {name: batch.value(True, i, order) for i, name in enumerate(ORDER_FIELDS)}
        for order in range(batch.first_order[row], batch.first_order[row + 1])
    )
    moment = said["M11"] or ""
    return Visit(
        institution=processed.envelopes[0].institution or "",
        visit_date=date(int(moment[:3]) + 1911, int(moment[3:5]), int(moment[5:7])),
        sequence=sequence,
        record=int(batch.record_number[row]),
        fields=said,
        orders=orders,
    )


def table(store: Path, name: str) -> pl.DataFrame:
    """A table's current rows."""
    return pl.read_delta(str(store / "tables" / name))


def stored_visits(store: Path, prefix: str = "") -> dict[str, Visit]:
    """The current tables as ``SlowStore.visits`` has them. Fails on two rows of one key."""
    orders: dict[str, list[Fields]] = {}
    for row in table(store, prefix + "orders").sort("visit_key", "order_no").to_dicts():
        of_visit = orders.setdefault(row["visit_key"], [])
        assert row["order_no"] == len(of_visit) + 1
        of_visit.append({name: row[name] for name in ORDER_FIELDS})
    visits: dict[str, Visit] = {}
    for row in table(store, prefix + "visits").to_dicts():
        assert row["visit_key"] not in visits
        assert row["visit_month"] == f"{row['visit_date']:%Y-%m}"
        visits[row["visit_key"]] = Visit(
            row["institution"], row["visit_date"], row["sequence"], row["record"],
            {name: row[name] for name in VISIT_FIELDS},
            tuple(orders.pop(row["visit_key"], ())),
        )  # fmt: skip
    assert not orders
    return visits


def stored_history(store: Path, prefix: str = "") -> list[tuple[int, int, str]]:
    """(sequence, record, action) of every accepted record, in order."""
    rows = table(store, prefix + "history").sort("sequence", "record")
    return [(r["sequence"], r["record"], r["action"]) for r in rows.to_dicts()]


def contents(store: Path) -> dict[str, list[str]]:
    """All that the tables say, without ids, sequences and clocks, and without redeliveries.

    Two stores that took the same uploads are equal in this, whatever happened in between.
    """
    chosen = {}
    names = [n for n in TABLES if n != "batches" and (store / "tables" / n).exists()]
    for name in [*names, "precheck_visits", "precheck_orders", "precheck_history"]:
        rows = table(store, name)
        if name == "uploads":
            rows = rows.filter(pl.col("redelivery_of").is_null())
        if "upload_id" in rows.columns:
            taken = table(store, "uploads").select("upload_id", upload="name")
            rows = rows.join(taken, on="upload_id", how="left").drop("upload_id")
        rows = rows.drop("sequence", "received_at", strict=False)
        chosen[name] = sorted(_texts(rows.select(sorted(rows.columns)).to_dicts()))
    return chosen


def _texts(rows: Iterable[dict[str, Any]]) -> list[str]:
    return [repr(row) for row in rows]
