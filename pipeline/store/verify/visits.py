"""The current visits and orders, against each other and against the history."""

from __future__ import annotations

import polars as pl

from pipeline.store.delta import ALL_TABLES
from pipeline.store.verify.check import Found, Stored, collect, count, rows_told
from schemas.tables import PREFIXES, Track

_VERSION = ("upload_id", "sequence", "record")


def live_visits(track: Track, stored: Stored) -> Found:
    """One row a key, in the right month, put by the last record that was about it.

    Uploads of 1.0 have no history.
    """
    table = PREFIXES[track] + "visits"
    visits = stored.scan(table).select("visit_key", "visit_month", "visit_date", *_VERSION)
    has_history = PREFIXES[track] + "history" in ALL_TABLES
    twice = visits.group_by("visit_key").agg(pl.col("upload_id").first(), rows=pl.len())
    month = pl.col("visit_date").dt.strftime("%Y-%m")
    misplaced = visits.filter(pl.col("visit_month") != "0000-00", pl.col("visit_month") != month)
    problems = (
        *rows_told(
            collect(twice.filter(pl.col("rows") > 1)),
            f"{table}: a key twice",
            ["upload_id", "rows"],
        ),
        *rows_told(collect(misplaced), f"{table}: not in its month", [*_VERSION, "visit_month"]),
        *(_against_history(stored, PREFIXES[track]) if has_history else ()),
    )
    return Found(count(visits), problems)


def _against_history(stored: Stored, prefix: str) -> tuple[str, ...]:
    """A visit lives if and only if the last put or delete of its id is that put.

    Special codes are ids of many visits; of theirs only the put is looked for.
    """
    table, history = prefix + "visits", stored.scan(prefix + "history")
    visits = stored.scan(table).select("visit_key", "treatment_id", *_VERSION)
    puts = history.filter(pl.col("action") == "put")
    strange = visits.join(puts, on=list(_VERSION), how="anti")
    own = visits.filter(pl.col("visit_key") == pl.col("treatment_id"))
    last = (
        history.filter(pl.col("action").is_in(["put", "delete"]))
        .group_by("treatment_id")
        .agg(pl.struct(*_VERSION, "action").sort_by("sequence", "record").last().alias("last"))
        .unnest("last")
        .filter(pl.col("action") == "put")
    )
    special = visits.filter(pl.col("visit_key") != pl.col("treatment_id"))
    left = last.join(special.select("treatment_id").unique(), on="treatment_id", how="anti")
    lost = left.join(own, on=list(_VERSION), how="anti")
    stale = own.join(last, on=list(_VERSION), how="anti")
    return (
        *rows_told(collect(strange), f"{table}: put by nothing in the history", _VERSION),
        *rows_told(collect(lost), f"{table}: lacks the last version", _VERSION),
        *rows_told(collect(stale), f"{table}: not the last version", _VERSION),
    )


def orders(track: Track, stored: Stored) -> Found:
    """Orders count from 1 without a gap, and are of a live version."""
    table = PREFIXES[track] + "orders"
    found = stored.scan(table).select("visit_key", "sequence", "order_no")
    counted = found.group_by("visit_key", "sequence").agg(
        rows=pl.len(), numbers=pl.col("order_no").n_unique(), last=pl.col("order_no").max()
    )
    wrong = counted.filter(
        (pl.col("rows") != pl.col("last")) | (pl.col("numbers") != pl.col("rows"))
    )
    visits = stored.scan(PREFIXES[track] + "visits").select("visit_key", "sequence")
    orphans = counted.join(visits, on=["visit_key", "sequence"], how="anti")
    problems = (
        *rows_told(collect(wrong), f"{table}: not numbered from 1", ["sequence", "rows", "last"]),
        *rows_told(collect(orphans), f"{table}: of no live visit", ["sequence", "rows"]),
    )
    return Found(count(found), problems)
