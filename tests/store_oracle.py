"""What the tables of a store say, to hold two stores against each other."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl

from schemas.tables import TABLES


def table(store: Path, name: str) -> pl.DataFrame:
    """A table's current rows."""
    return pl.read_delta(str(store / "tables" / name))


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
