"""Whether a store is whole, and what it says without the chances of ids, numbers and clocks."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import ndiff
from hashlib import sha256
from itertools import product
from pathlib import Path

import polars as pl
from deltalake import DeltaTable

from pipeline.store.archive import read_archived
from pipeline.store.verify import verify

UPLOAD_ID = re.compile(rb"[0-9A-HJKMNP-TV-Z]{26}")
# The store keeps no detail of why something could not be unpacked; receipts written again lack it.
DETAILS = ("：不是有效的 zip 檔", ": not a valid zip file")
CLOCKS = ("decided_at", "committed_at")
OF_UPLOADS = ("upload_id", "stands_upload_id", "sequence")

Rows = list[str]


@dataclass(frozen=True)
class Said:
    """What a store and its folder of receipts say: two runs over the same uploads agree in it."""

    tables: dict[str, Rows]
    receipts: dict[str, bytes]
    archived: frozenset[str]


def said(store: Path, receipts: Path) -> Said:
    """What is there, after making sure that it is whole."""
    tables = {path.name: pl.read_delta(str(path)) for path in sorted((store / "tables").iterdir())}
    uploads = tables["uploads"]
    assert_whole(store, tables)
    broken = {one.check.name: one.found.problems for one in verify(store) if not one.ok}
    assert not broken, broken
    return Said(
        {name: _rows(rows, uploads) for name, rows in tables.items() if name != "batches"},
        _receipts(receipts, uploads),
        frozenset(uploads.filter(pl.col("redelivery_of").is_null())["sha256"]),
    )


def assert_whole(store: Path, tables: dict[str, pl.DataFrame]) -> None:
    """Nothing half done, nothing lying about, every upload's bytes there."""
    uploads = tables["uploads"]
    assert uploads["sequence"].is_unique().all()
    assert uploads["upload_id"].is_unique().all()
    first = uploads.filter(pl.col("redelivery_of").is_null())
    assert set(uploads["redelivery_of"].drop_nulls()) <= set(first["upload_id"])
    for digest in first.filter(pl.col("parser").is_not_null())["sha256"].unique():
        payload = read_archived(store / "raw", bytes.fromhex(digest))
        assert sha256(payload).hexdigest() == digest
    handles = {name: DeltaTable(store / "tables" / name) for name in tables}
    for row in tables["batches"].sort("batch").tail(1).to_dicts():
        for name, version in dict(row["versions"]).items():
            # a batch of redeliveries only is named in no row: it may have gone on from there
            assert handles[name].version() >= version
    assert not list((store / "journal").iterdir())
    named = {store / "tables" / name / f for name, t in handles.items() for f in _ever_named(t)}
    lying_about = set(store.glob("tables/**/[!_]*.parquet")) - named
    lying_about = {path for path in lying_about if "_delta_log" not in path.parts}
    assert not lying_about, f"stray data files {lying_about}"
    partial = [p for pattern in ("*#*", "*.part") for p in store.rglob(pattern)]
    assert not partial, f"partial files {partial}"


def _ever_named(table: DeltaTable) -> set[str]:
    """Every data file that the table's log adds, also those removed since."""
    log = Path(table.table_uri.removeprefix("file://")) / "_delta_log"
    text = "".join(path.read_text(encoding="utf-8") for path in log.glob("*.json"))
    return {name.replace("%3D", "=") for name in re.findall(r'"add":\{"path":"([^"]+)"', text)}


def _rows(rows: pl.DataFrame, uploads: pl.DataFrame) -> Rows:
    """Rows as sorted texts; uploads by their name, redeliveries and clocks left out."""
    if "redelivery_of" in rows.columns:
        rows = rows.filter(pl.col("redelivery_of").is_null())
    for column in OF_UPLOADS:
        if column in rows.columns:
            of = "sequence" if column == "sequence" else "upload_id"
            names = uploads.select(pl.col(of).alias(column), pl.col("name").alias(f"{column} of"))
            rows = rows.join(names, on=column, how="left").drop(column)
    chosen = rows.select(sorted(set(rows.columns) - set(CLOCKS)))
    return sorted(repr(row) for row in chosen.iter_rows())


def assert_stored(store: Path, receipts: Iterable[str]) -> None:
    """The uploads that these receipts (file names) tell of are in the store."""
    uploads = set(pl.read_delta(str(store / "tables" / "uploads"))["upload_id"])
    told = {UPLOAD_ID.findall(name.encode())[0].decode() for name in receipts}
    assert told <= uploads, f"{len(told - uploads)} uploads have a receipt and are lost"


def _receipts(folder: Path, uploads: pl.DataFrame) -> dict[str, bytes]:
    """Receipts by file name without the upload's id, which must be that of a first upload."""
    first = set(uploads.filter(pl.col("redelivery_of").is_null())["upload_id"])
    names = dict(uploads.select("upload_id", "name").iter_rows())
    found: dict[str, bytes] = {}
    for path in sorted(folder.iterdir()) if folder.exists() else []:
        assert not path.name.startswith("."), f"{path} was left behind"
        ids = UPLOAD_ID.findall(path.name.encode())
        assert len(ids) == 1
        assert ids[0].decode() in first, f"{path.name} tells of an upload that is not stored"
        name = UPLOAD_ID.sub(b"", path.name.encode()).decode()
        assert name not in found, f"{name} has two receipts"
        told = path.read_bytes()
        found[name] = UPLOAD_ID.sub(lambda match: names[match[0].decode()].encode(), told)
        for detail, encoding in product(DETAILS, ("cp950", "utf-8")):
            found[name] = found[name].replace(detail.encode(encoding), b"")
    return found


def _lines(name: str, found: Said, expected: Said) -> list[str]:
    """The first lines in which two receipts differ."""
    encoding = "cp950" if name.endswith(".txt") else "utf-8"
    texts = [
        said.receipts[name].decode(encoding, "replace").splitlines() for said in (expected, found)
    ]
    return [line for line in ndiff(*texts) if line[0] in "+-"][:6]


def difference(found: Said, expected: Said) -> list[str]:
    """What is there once too often or not often enough, a few lines; empty where all is equal."""
    told: list[str] = []
    for table, rows in expected.tables.items():
        have, want = Counter(found.tables[table]), Counter(rows)
        told += [f"{table} lost {row:.200}" for row in list(want - have)[:2]]
        told += [f"{table} has too much {row:.200}" for row in list(have - want)[:2]]
    for name in sorted(expected.receipts.keys() | found.receipts.keys()):
        if name not in found.receipts:
            told.append(f"receipt {name} lost")
        elif name not in expected.receipts:
            told.append(f"receipt {name} too much")
        elif found.receipts[name] != expected.receipts[name]:
            told += [f"receipt {name} says other things", *_lines(name, found, expected)]
    if found.archived != expected.archived:
        told.append("other uploads are archived")
    return told
