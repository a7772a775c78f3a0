"""EDGE: what a report needs of a store, read and compared: the visits and uploads of one window.

Visits are read one visit date after the other where all institutions are asked for: a pair has one
date, so the parts add up, and memory is that of a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import Final

import polars as pl

from pipeline.comparison.keys import PLACE, PRECHECK_FIELDS, V1_FIELDS, visit_columns
from pipeline.comparison.nearest import with_nearest
from pipeline.comparison.pairing import Paired, pair, together
from pipeline.comparison.results import FINDING_COUNTS, counted, result_list
from pipeline.comparison.window import Window, received_between
from pipeline.store.read import Snapshot

TABLES: Final = ("uploads", "v1_visits", "precheck_visits", "findings")
_MOMENT: Final = pl.Datetime("us", "UTC")
_COUNTS: Final = ("records", "records_accepted", "records_warned", "records_rejected", "orders",
                  "orders_accepted", "orders_rejected")  # fmt: skip
_UPLOADS: Final = pl.Schema({
    "upload_id": pl.String(), "institution": pl.String(), "channel": pl.String(),
    "mode": pl.String(), "received_at": _MOMENT, "sequence": pl.Int64(), "status": pl.String(),
    "refusal_code": pl.String(), "version": pl.String(),
    **dict.fromkeys(_COUNTS, pl.Int64()), "redelivery_of": pl.String(),
})  # fmt: skip
_VISIT: Final = pl.Schema({
    **dict.fromkeys(PLACE, pl.String()), "sequence": pl.Int64(), "record": pl.Int32(),
    "visit_date": pl.Date(),
})  # fmt: skip
_FINDINGS: Final = pl.Schema({**FINDING_COUNTS, "received_date": pl.Date})


@dataclass(frozen=True)
class Week:
    """A window of a store: visits paired, each unmatched one with its nearest pre-check, the result
    list of the uploads (both by institution), and their findings counted."""

    window: Window
    paired: Paired
    unmatched: pl.DataFrame
    uploads: pl.DataFrame
    found: pl.DataFrame


def read_week(
    store_uri: str,
    window: Window,
    institution: str | None = None,
    *,
    snapshot: Snapshot | None = None,
) -> Week:
    """Read and compare, for one institution or for all. Raises ``StoreUnusableError``.

    ``snapshot``: of ``TABLES``, opened before.
    """
    snapshot = snapshot or Snapshot(store_uri, TABLES)
    paired = _paired(snapshot, window, institution)
    uploads = read_uploads(snapshot, window.first, window.as_of, institution)
    found = read_found(snapshot, window.first, window.as_of, institution)
    nearest = with_nearest(paired.unmatched, paired.spare)
    return Week(
        window,
        paired,
        nearest.sort("institution", "moment", "id", "sequence", "record"),
        result_list(uploads, found),
        found,
    )


def read_uploads(
    snapshot: Snapshot, first: date, last: date, institution: str | None
) -> pl.DataFrame:
    """Uploads received on some days, redeliveries left out."""
    start, stop = (moment.astimezone(UTC) for moment in received_between(first, last))
    at = pl.col("received_at")
    rows = _of(snapshot.scan("uploads", _UPLOADS), institution).select(*_UPLOADS)
    return rows.filter((at >= start) & (at < stop) & pl.col("redelivery_of").is_null()).collect()


def read_found(
    snapshot: Snapshot, first: date, last: date, institution: str | None
) -> pl.DataFrame:
    """Findings on uploads received on some days, counted."""
    rows = _of(snapshot.scan("findings", _FINDINGS), institution)
    days = pl.col("received_date").is_between(first, last)
    return counted(rows.filter(days)).collect(engine="streaming")


def _paired(snapshot: Snapshot, window: Window, institution: str | None) -> Paired:
    ways = _ways(snapshot, window)
    spans = [(day, day) for day in window.days()]
    if institution is not None:
        spans = [(window.first, window.last)]
    return together([pair(*_visits(snapshot, span, institution, ways)) for span in spans])


def _visits(
    snapshot: Snapshot, span: tuple[date, date], institution: str | None, ways: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The 1.0 visits and the pre-checks of some visit dates."""
    lazy = []
    for name, fields in (("v1_visits", V1_FIELDS), ("precheck_visits", PRECHECK_FIELDS)):
        empty = pl.Schema({**_VISIT, **dict.fromkeys(fields.values(), pl.String())})
        rows = _of(snapshot.scan(name, empty), institution)
        lazy.append(
            rows.filter(pl.col("visit_date").is_between(*span)).select(visit_columns(fields))
        )
    v1 = lazy[0].collect(engine="streaming")
    return v1, lazy[1].join(ways.lazy(), on="sequence").collect(engine="streaming")


def _ways(snapshot: Snapshot, window: Window) -> pl.DataFrame:
    """How each pre-check upload that may hold such visits came: sequence, vpn."""
    start, _ = window.received()
    uploads = snapshot.scan("uploads", _UPLOADS)
    sent = uploads.filter(
        (pl.col("mode") == "precheck") & (pl.col("received_at") >= start.astimezone(UTC))
    )
    return sent.select("sequence", (pl.col("channel") == "vpn").alias("vpn")).collect()


def _of(rows: pl.LazyFrame, institution: str | None) -> pl.LazyFrame:
    return rows if institution is None else rows.filter(pl.col("institution") == institution)
