"""A stored upload read back: its rows, its bytes, its answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
import pyarrow as pa
import pyarrow.dataset as ds

from pipeline.archive import read_archived
from pipeline.report.answer import Answer
from pipeline.report.register_stored import StoredRegistration, stored_registration
from pipeline.report.register_words import Received
from pipeline.report.stored import stored_answer
from pipeline.settings import Settings
from pipeline.store.delta import DeltaTables
from pipeline.store.layout import Layout, layout_of, read_config
from rules import load_plan
from rules.registrations import load_registration_plan
from schemas.tables import REGISTRATION


def answer_from_store(store_uri: str, upload_id: str, settings: Settings) -> Answer:
    """The answer to a stored upload. Raises ``click.UsageError`` if there is no such upload."""
    layout, tables = _opened(store_uri)
    upload = _upload(tables, upload_id)
    if upload["redelivery_of"]:
        upload = _upload(tables, upload["redelivery_of"])
    findings = _rows(tables, "findings", upload["upload_id"])
    payload = _payload(layout, bytes.fromhex(upload["sha256"]))
    return stored_answer(upload, findings, payload, load_plan(), settings.limits)


@dataclass(frozen=True)
class Registration:
    """The answer to a stored file of card registrations, and its receipt.

    ``sha256`` is None where its bytes were not kept.
    """

    answer: StoredRegistration
    received: Received
    sha256: str | None
    engine: str


def registration_from_store(store_uri: str, upload_id: str) -> Registration | None:
    """The answer to a stored registration file, ``None`` for an upload of visits.

    Raises ``click.UsageError`` if there is no such upload.
    """
    layout, tables = _opened(store_uri)
    upload = _upload(tables, upload_id)
    if upload["mode"] != REGISTRATION:
        return None
    first = upload["redelivery_of"]
    if first:
        upload = _upload(tables, first)
    findings = _rows(tables, "findings", upload["upload_id"])
    payload = _payload(layout, bytes.fromhex(upload["sha256"]))
    return Registration(
        stored_registration(upload, findings, payload, load_registration_plan()),
        Received(upload_id, first),
        None if payload is None else upload["sha256"],
        upload["engine"],
    )


def answers_from_store(
    store_uri: str, settings: Settings, upload_ids: Sequence[str]
) -> Iterator[tuple[str, Answer]]:
    """The answers to those of some uploads that are stored, each with its id."""
    layout, plan = layout_of(store_uri), load_plan()
    wanted = pa.array(upload_ids, pa.string())  # also when there are none
    tables, of_them = DeltaTables(layout), ds.field("upload_id").isin(wanted)
    findings = defaultdict(list)
    for row in tables.dataset("findings").to_table(filter=of_them).to_pylist():
        findings[row["upload_id"]].append(row)
    for upload in tables.dataset("uploads").to_table(filter=of_them).to_pylist():
        payload = _payload(layout, bytes.fromhex(upload["sha256"]))
        found = findings[upload["upload_id"]]
        yield upload["upload_id"], stored_answer(upload, found, payload, plan, settings.limits)


def _opened(store_uri: str) -> tuple[Layout, DeltaTables]:
    layout = layout_of(store_uri)
    if read_config(layout) is None:
        raise click.UsageError(f"沒有這個資料庫 there is no store at {store_uri}")
    return layout, DeltaTables(layout)


def _upload(tables: DeltaTables, upload_id: str) -> dict[str, Any]:
    rows = _rows(tables, "uploads", upload_id)
    if not rows:
        raise click.UsageError(f"沒有這個上傳 no such upload: {upload_id}")
    return rows[0]


def _rows(tables: DeltaTables, name: str, upload_id: str) -> list[dict[str, Any]]:
    chosen = tables.dataset(name).to_table(filter=ds.field("upload_id") == upload_id)
    rows: list[dict[str, Any]] = chosen.to_pylist()
    return rows


def _payload(layout: Layout, digest: bytes) -> bytes | None:
    """The archived bytes; None where nothing could be unpacked, so nothing was kept."""
    try:
        return read_archived(layout.raw, digest)
    except KeyError:
        return None
