"""The ledger against the visits: what is prescribed has its rows, and who dispensed is live."""

from __future__ import annotations

import polars as pl

from pipeline.store.verify.check import Found, Stored, collect, count, rows_told
from schemas.tables import PREFIXES, Track

_ROW = ["prescription_id", "kind", "refill"]
_TOLD = ["issued_month", "bucket", "kind", "refill", "status", "sequence"]
_REFILLS = {"chronic": "M26", "controlled": "M29"}


def prescriptions(track: Track, stored: Stored) -> Found:
    """A row a refill; all refills of live prescriptions; nothing dispensed by what isn't live."""
    table = PREFIXES[track] + "prescriptions"
    ledger = stored.scan(table)
    visits = stored.scan(PREFIXES[track] + "visits")
    twice = ledger.group_by(_ROW).agg(pl.len(), pl.col("issued_month", "bucket").first())
    prescribed = _prescribed(visits)
    refills = ledger.filter(pl.col("kind").is_in(list(_REFILLS)))
    issued = refills.filter(pl.col("institution").is_not_null())
    missing = prescribed.join(issued, on=[*_ROW, "institution"], how="anti")
    unissued = issued.join(prescribed, on=[*_ROW, "institution"], how="anti")
    dispensed = ledger.filter(pl.col("status") == "dispensed")
    by = visits.select(
        by_treatment_id="treatment_id", by_institution="institution", sequence="sequence"
    )
    idle = dispensed.join(by, on=["by_treatment_id", "by_institution", "sequence"], how="anti")
    problems = (
        *rows_told(
            collect(twice.filter(pl.col("len") > 1)), f"{table}: a refill twice",
            ["issued_month", "bucket", "kind", "refill"],
        ),
        *rows_told(collect(missing), f"{table}: lacks a refill", ["kind", "refill", "upload_id"]),
        *rows_told(collect(unissued), f"{table}: a refill nobody prescribed", _TOLD),
        *rows_told(collect(idle), f"{table}: dispensed by no live visit", _TOLD),
    )  # fmt: skip
    return Found(count(ledger), problems)


def _prescribed(visits: pl.LazyFrame) -> pl.LazyFrame:
    """A row for each refill of the refill kinds that live visits issued."""
    issuing = visits.filter(
        pl.col("visit_key") == pl.col("treatment_id"),
        pl.col("H00") == "1",
        ~pl.col("M07").fill_null("").is_in(["AE", "AF"]),
    )
    kinds = [
        issuing.select(
            prescription_id="visit_key",
            kind=pl.lit(kind),
            refill=pl.int_ranges(1, pl.col(field).cast(pl.Int32, strict=False) + 1),
            institution="institution",
            upload_id="upload_id",
        )
        .filter(pl.col("refill").list.len() > 1)
        .explode("refill")
        .with_columns(pl.col("refill").cast(pl.Int32))
        for kind, field in _REFILLS.items()
    ]
    return pl.concat(kinds)
