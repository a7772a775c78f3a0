"""Edge: files of card registrations → archive, rows, findings and receipts in a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

import pyarrow as pa

from pipeline.outcome import Counts, Envelope
from pipeline.register.check import Checked, check_registration
from pipeline.register.limits import REGISTER_LIMITS, RegisterLimits
from pipeline.register.name import base_name
from pipeline.register.rows import registration_rows
from pipeline.results import VALUE_BYTES, Receipted, upload_row, upload_rows
from pipeline.store.archive import compress
from pipeline.store.redelivery import FirstReceipt
from pipeline.store.store import Store
from pipeline.taipei import TAIPEI
from pipeline.upload_ids import new_upload_id
from rules.plan import Plan
from schemas.tables import FINDINGS, REGISTRATION

COMMIT_BYTES: Final = 32 << 20
COMMIT_FILES: Final = 200
_PARSER: Final = "csv"  # of all whose bytes are kept


@dataclass(frozen=True)
class SentFile:
    """A file as it came, with its name; of one too large, one byte more than is allowed."""

    name: str
    payload: bytes
    received_at: datetime


@dataclass(frozen=True)
class Loaded:
    """What became of a file: the answer, or the receipt of the first time for a redelivery.

    ``sha256`` is None for a file too large to be read whole.
    """

    upload_id: str
    name: str
    sha256: str | None
    answer: Checked | FirstReceipt


def load_registrations(
    store: Store, files: Iterable[SentFile], plan: Plan, limits: RegisterLimits = REGISTER_LIMITS
) -> Iterator[Loaded]:
    """Check files in order and take them into an open store.

    A file is given once it is durable; files are committed together, each as a whole. Raises
    ``StoreWriteError``: what was given before stands.
    """
    loaded, size = list[Loaded](), 0
    for file in files:
        loaded.append(_take(store, file, plan, limits))
        size += len(file.payload)
        if size >= COMMIT_BYTES or len(loaded) >= COMMIT_FILES:
            store.commit()
            yield from loaded
            loaded, size = [], 0
    store.commit()
    yield from loaded


def _take(store: Store, file: SentFile, plan: Plan, limits: RegisterLimits) -> Loaded:
    """Check a file and stage what follows, or its redelivery."""
    name, digest = base_name(file.name), sha256(file.payload)
    envelope = Envelope(file.received_at, name=name)
    upload = Receipted(
        new_upload_id(file.received_at), name, digest.hexdigest(), store.next_sequence(), envelope
    )
    kept = len(file.payload) <= limits.file_bytes
    told = upload.sha256 if kept else None
    first = _first_receipt(store, upload, kept=kept)
    if first is not None:
        store.stage("uploads", upload_rows([_redelivered(upload, first, plan)]))
        return Loaded(upload.upload_id, name, told, first)
    checked = check_registration(file.payload, envelope, plan, limits)
    if kept:
        (frame,) = compress([file.payload])
        store.keep(digest.digest(), len(file.payload), frame)
    store.stage("registrations", registration_rows(checked, upload.upload_id, upload.sequence))
    store.stage("findings", registration_findings(checked, upload))
    store.stage("uploads", upload_rows([_upload_row(upload, checked, kept=kept)]))
    return Loaded(upload.upload_id, name, told, checked)


def _first_receipt(store: Store, upload: Receipted, *, kept: bool) -> FirstReceipt | None:
    """The receipt of the same name and bytes, if they were taken before."""
    key = upload.name, upload.sha256
    recent = store.redeliveries.recent(REGISTRATION, key)
    if recent or (kept and store.archive.place(bytes.fromhex(upload.sha256)) is None):
        return recent
    return store.redeliveries.find(REGISTRATION, [key], None).get(key)


def _upload_row(upload: Receipted, checked: Checked, *, kept: bool) -> dict[str, object]:
    """The receipt of a file: rows are counted as records."""
    found = checked.counts
    counts = Counts(found.rows, found.accepted, found.warned, found.rejected)
    row = upload_row(
        upload, checked.refusal, counts, checked.plan.hash, version=REGISTRATION,
        encoding=checked.encoding or None, parser=_PARSER if kept else None,
    )  # fmt: skip
    row["mode"] = REGISTRATION
    if not checked.taken:
        row |= {"status": "refused", "refusal_code": _refusal_code(checked)}
    return row


def _refusal_code(checked: Checked) -> str:
    """Why nothing of a file was taken: the refusal, or the first fault of the file itself."""
    if checked.refusal is not None:
        return checked.refusal.code
    rejecting = (f for f in checked.findings() if f.row is None and f.severity != "warn")
    return next(rejecting).code


def _redelivered(upload: Receipted, first: FirstReceipt, plan: Plan) -> dict[str, object]:
    """The row of a file that was taken before; its first receipt stands."""
    return upload_row(upload, None, Counts(), plan.hash, version=REGISTRATION) | {
        "mode": REGISTRATION,
        "status": first.status,
        "refusal_code": first.refusal_code,
        "redelivery_of": first.upload_id,
    }


def registration_findings(checked: Checked, upload: Receipted) -> pa.Table:
    """Every finding of a file as rows of ``findings``: record is the row, 0 for the file itself."""
    day = upload.envelope.received_at.astimezone(TAIPEI).date()
    rows = [
        {
            "upload_id": upload.upload_id,
            "received_date": day,
            "record": found.row or 0,
            "field": found.field,
            "code": found.code,
            "severity": found.severity,
            "rule": found.rule,
            "byte_offset": found.offset,
            "byte_length": found.length,
            "value": None if found.value is None else _clipped(found.value),
        }
        for found in checked.findings()
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def _clipped(value: str) -> str:
    return value.encode()[:VALUE_BYTES].decode("utf-8", "ignore")
