"""What was received: uploads, their bytes, their counts, their records, their batches."""

from __future__ import annotations

from functools import partial

import polars as pl

from pipeline.errors import StoreUnusableError
from pipeline.store.layout import Layout
from pipeline.store.raw import read_upload
from pipeline.store.verify.check import (
    Found,
    Stored,
    collect,
    count,
    rows_told,
    told,
    wrong_of_each,
)
from schemas.versions import V1

_REJECTS = pl.col("severity") != "warn"
_TAKEN = pl.col("status").is_in(["done", "refused"])


def sequences(stored: Stored) -> Found:
    """Every upload has an id and a sequence of its own."""
    uploads = stored.scan("uploads").select("upload_id", "sequence")
    problems = [
        rows_told(collect(_twice(uploads, name)), f"uploads: {name} twice", [name])
        for name in ("upload_id", "sequence")
    ]
    return Found(count(uploads), sum(problems, ()))


def archive(stored: Stored) -> Found:
    """The bytes of every upload that could be unpacked have the hash it was received with."""
    unpacked = pl.col("parser").is_not_null()
    digests = collect(stored.scan("uploads").filter(unpacked).select(pl.col("sha256").unique()))
    problems = wrong_of_each(partial(_wrong, stored.layout), sorted(digests["sha256"]))
    return Found(len(digests), told(problems))


def _wrong(layout: Layout, digest: str) -> str | None:
    """What is wrong with the bytes of an upload, if anything."""
    try:
        read_upload(layout, bytes.fromhex(digest))
    except KeyError:
        return f"{digest}: not in the archive"
    except (StoreUnusableError, OSError) as fault:
        return f"{digest}: {fault}"
    return None


def counts(stored: Stored) -> Found:
    """What a receipt counts is what its findings say."""
    uploads = stored.scan("uploads").filter(_TAKEN, pl.col("redelivery_of").is_null())
    of_record = (
        stored.scan("findings")
        .filter(pl.col("record") > 0)  # 0: a registration file itself, which is no record
        .group_by("upload_id", "record")
        .agg(rejects=_REJECTS.any())
        .group_by("upload_id")
        .agg(rejected=pl.col("rejects").sum(), warned=pl.col("rejects").not_().sum())
    )
    of_order = (
        stored.scan("findings")
        .filter(_REJECTS, pl.col("order_no").is_not_null())
        .select("upload_id", "record", "order_no")
        .unique()
        .group_by("upload_id")
        .agg(orders_found=pl.len())
    )
    joined = (
        uploads.join(of_record, on="upload_id", how="left")
        .join(of_order, on="upload_id", how="left")
        .with_columns(pl.col("rejected", "warned", "orders_found").fill_null(0))
    )
    right = (
        (pl.col("records_rejected") == pl.col("rejected"))
        & (pl.col("records_warned") == pl.col("warned"))
        & (pl.col("orders_rejected") == pl.col("orders_found"))
        & (pl.col("records") == pl.col("records_accepted") + pl.col("records_rejected"))
        & (pl.col("orders") == pl.col("orders_accepted") + pl.col("orders_rejected"))
    )
    wrong = collect(joined.filter(~right).sort("sequence"))
    told_of = ["upload_id", "records_rejected", "rejected", "records_warned", "warned"]
    strange = collect(
        stored.scan("findings").select("upload_id").unique()
        .join(stored.scan("uploads"), on="upload_id", how="anti")
    )  # fmt: skip
    problems = (
        *rows_told(wrong, "uploads: counts differ from the findings", told_of),
        *rows_told(strange, "findings: of no upload", ["upload_id"]),
    )
    return Found(count(uploads), problems)


def history(stored: Stored) -> Found:
    """As many records in ``history`` as were accepted, each once, of an upload that is there.

    A pre-check accepts deletes of what isn't there without a row; 1.0 has no history.
    """
    problems: tuple[str, ...] = ()
    looked_at = 0
    for mode, table in (("official", "history"), ("precheck", "precheck_history")):
        of_upload = (
            stored.scan(table)
            .group_by("upload_id", "sequence")
            .agg(rows=pl.len(), records_once=pl.col("record").n_unique())
        )
        uploads = stored.scan("uploads").filter(
            pl.col("mode") == mode, pl.col("redelivery_of").is_null(),
            pl.col("version").ne_missing(V1.number),
        )  # fmt: skip
        joined = uploads.join(of_upload, on=["upload_id", "sequence"], how="left").with_columns(
            pl.col("rows", "records_once").fill_null(0)
        )
        few = pl.col("rows") < pl.col("records_accepted") if mode == "official" else pl.lit(False)
        merged = pl.when(pl.col("status") == "done").then(pl.col("records_accepted")).otherwise(0)
        many = (pl.col("rows") > merged) | (pl.col("rows") != pl.col("records_once"))
        wrong = collect(joined.filter(((pl.col("status") == "done") & few) | many))
        strange = collect(of_upload.join(uploads, on=["upload_id", "sequence"], how="anti"))
        problems += rows_told(
            wrong, f"{table}: not the accepted records", ["upload_id", "records_accepted", "rows"]
        )
        problems += rows_told(strange, f"{table}: of no upload", ["upload_id", "sequence"])
        looked_at += count(stored.scan(table))
    return Found(looked_at, told(problems))


def batches(stored: Stored) -> Found:
    """Batches follow each other, and name versions that the tables have."""
    rows = stored.tables.dataset("batches").to_table().sort_by("batch").to_pylist()
    problems, last, sequence = [], 0, 0
    for row in rows:
        if row["batch"] <= last or row["sequence_from"] <= sequence:
            problems.append(f"batches: {row['batch']} does not follow {last}")
        last, sequence = row["batch"], max(sequence, row["sequence_to"])
    for name, version in rows[-1]["versions"] if rows else []:
        if stored.tables.version(name) < version:
            problems.append(f"{name}: older than its batch, version {version}")
    if last > stored.tables.committed("uploads"):
        problems.append(f"uploads: lacks batch {last}")
    return Found(len(rows), told(problems))


def _twice(rows: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return rows.group_by(name).len().filter(pl.col("len") > 1)
