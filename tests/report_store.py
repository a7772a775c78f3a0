"""Stores for tests of reports: tables written as they are in a store, without the uploads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
from comparison_rows import Row
from deltalake import write_deltalake

from pipeline.comparison.keys import KEYS, PRECHECK_FIELDS, V1_FIELDS
from pipeline.store.layout import StoreConfig, layout_of, write_config
from schemas.tables import TABLES

EVENING = datetime(2024, 3, 20, 13, 0, tzinfo=UTC)  # 21:00 in Taipei
_DEFAULTS: dict[str, Any] = {
    "visit_month": "2024-03", "bucket": 0, "received_at": EVENING, "byte_offset": 0,
    "byte_length": 1, "plan": "p", "channel": "web-api", "sha256": "0" * 64, "mode": "precheck",
    "status": "done", "records": 0, "records_accepted": 0, "records_warned": 0,
    "records_rejected": 0, "orders": 0, "orders_accepted": 0, "orders_rejected": 0,
    "engine": "0", "version": "2.0", "received_date": date(2024, 3, 20), "field": "M15",
    "severity": "reject", "rule": "required/M15", "record": 1,
}  # fmt: skip


def upload(upload_id: str, institution: str, sequence: int, **given: Any) -> dict[str, Any]:
    """A row of ``uploads``: a pre-check by Web-API unless said otherwise."""
    return {"upload_id": upload_id, "institution": institution, "sequence": sequence, **given}


def finding(upload_id: str, institution: str, code: str, **given: Any) -> dict[str, Any]:
    """A row of ``findings``."""
    return {"upload_id": upload_id, "institution": institution, "code": code, **given}


def make_store(
    root: Path,
    v1: Sequence[Row] = (),
    prechecked: Sequence[Row] = (),
    uploads: Iterable[Mapping[str, Any]] = (),
    findings: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """A store with these rows. Every pre-check's upload that is not given is made."""
    root.mkdir(parents=True)
    write_config(layout_of(root), StoreConfig())
    listed = list(uploads)
    known = {one["sequence"] for one in listed}
    for row in prechecked:
        if row.sequence not in known:
            known.add(row.sequence)
            way = "vpn" if row.vpn else "web-api"
            listed.append(upload(row.upload_id, row.institution, row.sequence, channel=way))
    _write(root, "v1_visits", "v1_visits", [_visit(row, V1_FIELDS) for row in v1])
    _write(root, "precheck_visits", "visits", [_visit(row, PRECHECK_FIELDS) for row in prechecked])
    _write(root, "uploads", "uploads", listed)
    _write(root, "findings", "findings", findings)
    return root


def _visit(row: Row, fields: Mapping[str, str]) -> dict[str, Any]:
    names = ("institution", "visit_key", "sequence", "upload_id", "record", "visit_date")
    return {
        **{name: getattr(row, name) for name in names},
        **{fields[key]: getattr(row, key) for key in KEYS},
    }


def _write(root: Path, name: str, like: str, rows: Iterable[Mapping[str, Any]]) -> None:
    table = TABLES[like]
    filled = [
        {
            f.name: row.get(f.name, None if f.nullable and f.name != "version" else
                            _DEFAULTS.get(f.name))
            for f in table.schema
        }
        for row in rows
    ]  # fmt: skip
    path = layout_of(root).table(name)
    path.mkdir(parents=True)
    write_deltalake(
        str(path),
        pa.Table.from_pylist(filled, schema=table.schema),
        partition_by=list(table.partition_by) or None,
    )
