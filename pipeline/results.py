"""PURE: decided uploads → rows of the store's tables, as Arrow tables without partition columns.

Everything is by column; nothing is looked at record by record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.arrow import order_table, text_column, visit_table
from pipeline.columns import Batch, Int32, Int64
from pipeline.core import Processed
from pipeline.decisions import TAIPEI, Decisions, record_offsets
from pipeline.kernels import latest
from pipeline.keys import NO_MONTH, composite_key
from pipeline.outcome import Counts, Envelope, Refusal
from pipeline.version import ENGINE
from schemas.fields import fields
from schemas.tables import ACTIONS, FINDINGS, HISTORY, ORDERS, UPLOADS, VISITS

FIRST_MONTH: Final = 2022 * 12
"""Visits before the format was in use share a partition, so that made-up dates make no files."""

VALUE_BYTES: Final = 256  # of a finding's value; the whole of it is in the archive


@dataclass(frozen=True)
class Receipted:
    """What is known of an upload besides its contents: the columns of ``uploads``."""

    upload_id: str
    name: str
    sha256: str
    sequence: int
    envelope: Envelope


@dataclass(frozen=True)
class CurrentRows:
    """New live versions of one partition: rows of ``visits`` and ``orders``, and who they are.

    ``winner`` indexes the candidates of the batch, row for row with ``visits``.
    """

    visit_month: str
    bucket: int
    visits: pa.Table
    orders: pa.Table
    winner: Int64


def visit_keys(batch: Batch, decided: Decisions, chosen: Int64) -> pa.StringArray:
    """The visit keys of some candidates as text."""
    row = decided.candidates.row[chosen]
    index = fields()["M15"].index
    keys = text_column(batch.buffer, batch.visits.offset[index], batch.visits.length[index], row)
    special = decided.candidates.special[chosen] == 1
    if not special.any():
        return keys
    composite = [composite_key(batch, int(r)) for r in row[special]]
    return pc.replace_with_mask(keys, pa.array(special), pa.array(composite, pa.string()))


def current_rows(
    processed: Processed, uploads: Sequence[Receipted], decided: Decisions, buckets: int
) -> list[CurrentRows]:
    """The new live versions, partition by partition."""
    found = decided.candidates
    winner = decided.winners.astype(np.int64)
    if not len(winner):
        return []
    bucket = (found.person[winner] % buckets).astype(np.int64)
    month = found.visit_month[winner].astype(np.int64)
    month[month < FIRST_MONTH] = NO_MONTH
    partition = month * buckets + bucket
    order = np.argsort(partition, kind="stable")
    winner, partition = winner[order], partition[order]
    visits = _visits(processed, uploads, decided, winner)
    orders, parent = _orders(processed, decided, winner, visits)
    edges = [0, *(np.flatnonzero(np.diff(partition)) + 1).tolist(), len(winner)]
    out = []
    for start, stop in pairwise(edges):
        of_month, number = divmod(int(partition[start]), buckets)
        low, high = np.searchsorted(parent, [start, stop]).tolist()
        out.append(
            CurrentRows(
                month_text(of_month),
                number,
                visits.slice(start, stop - start),
                orders.slice(low, high - low),
                winner[start:stop],
            )
        )
    return out


def month_text(month: int) -> str:
    """year * 12 + month - 1 as YYYY-MM; visits without a date of the format's time, 0000-00."""
    return "0000-00" if month == NO_MONTH else f"{month // 12:04d}-{month % 12 + 1:02d}"


def _visits(
    processed: Processed, uploads: Sequence[Receipted], decided: Decisions, winner: Int64
) -> pa.Table:
    batch = processed.batch
    table = visit_table(batch, decided.candidates.row[winner])
    columns = {
        **dict(zip(table.column_names, table.columns, strict=True)),
        **_provenance(processed, uploads, decided, winner),
        "visit_key": visit_keys(batch, decided, winner),
        "treatment_id": table["M15"],
    }
    return _shaped(columns, VISITS)


def _orders(
    processed: Processed, decided: Decisions, winner: Int64, visits: pa.Table
) -> tuple[pa.Table, Int64]:
    """Rows of ``orders``, and of each the row of its visit."""
    row = decided.candidates.row[winner]
    first = processed.batch.first_order[row].astype(np.int64)
    count = processed.batch.first_order[row + 1] - first
    parent = np.repeat(np.arange(len(row)), count)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    table = order_table(processed.batch, first[parent] + number)
    of_visit = visits.select(["visit_key", "treatment_id", "visit_date", "sequence"]).take(parent)
    columns = {
        **dict(zip(table.column_names, table.columns, strict=True)),
        **dict(zip(of_visit.column_names, of_visit.columns, strict=True)),
        "order_no": pa.array(number + 1, pa.int32()),
    }
    return _shaped(columns, ORDERS), parent


def history_rows(
    processed: Processed, uploads: Sequence[Receipted], decided: Decisions
) -> pa.Table:
    """One row a record that the merge took, in order."""
    chosen = decided.applied
    index = fields()["M15"].index
    cells = processed.batch.visits
    treatment_id = text_column(
        processed.batch.buffer, cells.offset[index], cells.length[index],
        decided.candidates.row[chosen],
    )  # fmt: skip
    order = np.array([latest.PUT, latest.DELETE, latest.CANCEL, latest.UNCANCEL])
    action = np.argsort(order)[decided.candidates.action[chosen]]
    columns = {
        **_provenance(processed, uploads, decided, chosen),
        "treatment_id": treatment_id,
        "action": pa.array(ACTIONS).take(pa.array(action)),
    }
    return _shaped(columns, HISTORY)


def _provenance(
    processed: Processed, uploads: Sequence[Receipted], decided: Decisions, chosen: Int64
) -> dict[str, pa.Array]:
    """The columns that say where records come from."""
    batch, row = processed.batch, decided.candidates.row[chosen]
    upload = pa.array(batch.record_upload[row])
    day = decided.candidates.visit_day[chosen]
    return {
        "institution": pa.array([e.institution or "" for e in processed.envelopes]).take(upload),
        "upload_id": pa.array([u.upload_id for u in uploads], pa.string()).take(upload),
        "received_at": _moments([u.envelope for u in uploads]).take(upload),
        "sequence": pa.array([u.sequence for u in uploads], pa.int64()).take(upload),
        "record": pa.array(batch.record_number[row]),
        "byte_offset": pa.array(record_offsets(batch, row)),
        "byte_length": pa.array(batch.record_length[row].astype(np.int64)),
        "visit_date": pa.array(day, pa.int32(), mask=day == latest.NO_DAY).cast(pa.date32()),
        "plan": _constant(processed.plan.hash, len(row)),
    }


def finding_rows(processed: Processed, uploads: Sequence[Receipted]) -> pa.Table:
    """Every finding of a batch, with ``received_date`` (a partition column)."""
    found, batch, rules = processed.findings, processed.batch, processed.plan.rules
    upload_row = batch.record_upload[found.record]
    upload, rule = pa.array(upload_row), pa.array(found.rule)
    days = [u.envelope.received_at.astimezone(TAIPEI).date() for u in uploads]
    columns = {
        "upload_id": pa.array([u.upload_id for u in uploads], pa.string()).take(upload),
        "institution": pa.array([e.institution for e in processed.envelopes], pa.string()).take(
            upload
        ),
        "received_date": pa.array(days, pa.date32()).take(upload),
        "record": pa.array(batch.record_number[found.record]),
        "order_no": pa.array(found.order + 1, mask=found.order < 0),
        "field": pa.array(found.names, pa.string()).take(pa.array(found.field)),
        "code": pa.array([r.code for r in rules], pa.string()).take(rule),
        "severity": pa.array([r.severity for r in rules], pa.string()).take(rule),
        "rule": pa.array([r.id for r in rules], pa.string()).take(rule),
        "byte_offset": pa.array(found.offset - batch.start[upload_row]),
        "byte_length": pa.array(found.length.astype(np.int64)),
        "value": text_column(
            batch.buffer, found.value_offset.astype(np.int32), _clipped(processed),
            np.arange(len(found), dtype=np.int64),
        ),
        "stands_upload_id": pa.nulls(len(found), pa.string()),
        "stands_record": pa.nulls(len(found), pa.int32()),
    }  # fmt: skip
    return pa.table([columns[name] for name in FINDINGS.names], schema=FINDINGS)


def _clipped(processed: Processed) -> Int32:
    """Lengths of the findings' values, cut to ``VALUE_BYTES`` between characters."""
    found, buffer = processed.findings, processed.batch.buffer
    length = np.minimum(found.value_length, VALUE_BYTES).astype(np.int32)
    for _ in range(3):
        long = np.flatnonzero(found.value_length > VALUE_BYTES)
        inside = (buffer[found.value_offset[long] + length[long]] & 0xC0) == 0x80
        length[long[inside]] -= 1
    return length


def upload_row(
    upload: Receipted, refusal: Refusal | None, counts: Counts, plan: str, *,
    encoding: str | None = None, parser: str | None = None,
) -> dict[str, object]:  # fmt: skip
    """The receipt of one upload: a row of ``uploads``."""
    return {
        "upload_id": upload.upload_id,
        "name": upload.name,
        "sha256": upload.sha256,
        "institution": upload.envelope.institution,
        "channel": upload.envelope.channel,
        "mode": upload.envelope.mode,
        "received_at": upload.envelope.received_at.astimezone(UTC),
        "sequence": upload.sequence,
        "status": "refused" if refusal else "done",
        "refusal_code": refusal.code if refusal else None,
        **asdict(counts),
        "redelivery_of": None,
        "encoding": encoding,
        "parser": parser,
        "plan": plan,
        "engine": ENGINE,
    }


def upload_rows(rows: Sequence[dict[str, object]]) -> pa.Table:
    """Receipts as rows of ``uploads``."""
    return pa.Table.from_pylist(list(rows), schema=UPLOADS)


def _moments(envelopes: Sequence[Envelope]) -> pa.Array:
    moments = [e.received_at.astimezone(UTC) for e in envelopes]
    return pa.array(moments, pa.timestamp("us", tz="UTC"))


def _constant(text: str, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(text, pa.string()), count)


def _shaped(columns: dict[str, pa.Array], schema: pa.Schema) -> pa.Table:
    """The columns a schema names, in its order and types, but for those of the partition."""
    present = [f for f in schema if f.name in columns]
    return pa.table([columns[f.name] for f in present], schema=pa.schema(present))
