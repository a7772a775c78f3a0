"""PURE: decided uploads → rows of the store's tables, as Arrow tables without partition columns.

Everything is by column; nothing is looked at record by record.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.columns import Batch, Int32, Int64
from pipeline.core import Processed
from pipeline.kernels.ids import NO_DAY
from pipeline.merge.changes import Changes, GoneRows, NewRows
from pipeline.merge.decisions import Decided
from pipeline.merge.keys import KEY_FIELDS, buckets_of, month_text, months
from pipeline.merge.ledger import by_partition
from pipeline.merge.merge import Hold
from pipeline.merge.recall import keys_of
from pipeline.merge.state_findings import STANDS
from pipeline.outcome import Counts, Envelope, Refusal
from pipeline.parse.arrow import order_table, text_column, visit_table
from pipeline.references import NONE, References
from pipeline.taipei import TAIPEI
from pipeline.version import ENGINE
from schemas.tables import ACTIONS, FINDINGS, HELD, HISTORY, UPLOADS, table_in
from schemas.versions import version_in

_OF_VISIT: Final = ("visit_key", "treatment_id", "visit_date", "sequence")
VALUE_BYTES: Final = 256  # of a finding's value; the whole of it is in the archive


@dataclass(frozen=True)
class Receipted:
    """What is known of an upload besides its contents: the columns of ``uploads``."""

    upload_id: str
    name: str
    sha256: str
    sequence: int
    envelope: Envelope


def visit_keys(decided: Decided, chosen: Int64) -> pa.StringArray:
    """The visit keys of some candidates: the treatment id; where that is a special code, or the
    version of the format has none, with institution, person and moment."""
    found = decided.candidates
    row, special = found.row[chosen], np.flatnonzero(found.normal[chosen] == 0)
    keys = _texts(decided.processed.batch, "M15", row)
    if not len(special):
        return keys
    parts = [_texts(decided.processed.batch, name, row[special]) for name in KEY_FIELDS]
    composite = pc.binary_join_element_wise(*parts, "", null_handling="skip")
    mask = np.zeros(len(row), np.bool_)
    mask[special] = True
    return pc.replace_with_mask(keys, pa.array(mask), composite)


def _texts(batch: Batch, name: str, row: Int64) -> pa.StringArray:
    """A field, by its id in 2.0, of some records; null where the version doesn't have it."""
    version = version_in(batch.layout)
    if version.id_of(name) is None:
        return pa.nulls(len(row), pa.string())
    index, cells = version.own(name).index, batch.visits
    return text_column(batch.buffer, cells.offset[index], cells.length[index], row)


def visit_changes(uploads: Sequence[Receipted], decided: Decided, buckets: int) -> Changes:
    """What happens to ``visits`` and ``orders``."""
    return Changes(
        _gone_visits(decided, buckets),
        _new_visits(uploads, decided, buckets),
    )


def _gone_visits(decided: Decided, buckets: int) -> tuple[GoneRows, ...]:
    versions, named = decided.replaced
    if not len(versions):
        return ()
    keys = visit_keys(decided, named)
    bucket = buckets_of(keys_of(versions), buckets)
    parts = by_partition(months(versions["day"]), bucket)
    return tuple(
        GoneRows(partition, keys.take(pa.array(part)), versions["sequence"][part])
        for partition, part in parts
    )


def _new_visits(
    uploads: Sequence[Receipted], decided: Decided, buckets: int
) -> tuple[NewRows, ...]:
    winner = decided.winners
    if not len(winner):
        return ()
    version = decided.candidates.visits[winner]
    parts = by_partition(months(version["day"]), buckets_of(keys_of(version), buckets))
    winner = winner[np.concatenate([part for _, part in parts])]
    visits = _visits(uploads, decided, winner)
    orders, parent = _orders(decided, winner, visits)
    ends = np.cumsum([0, *(len(part) for _, part in parts)])
    of_orders = np.searchsorted(parent, ends).tolist()
    spans = zip(parts, pairwise(ends.tolist()), pairwise(of_orders), strict=True)
    where = {
        partition: (slice(*rows), slice(*its_orders)) for (partition, _), rows, its_orders in spans
    }
    return (NewRows((visits, orders), where),)


def _visits(uploads: Sequence[Receipted], decided: Decided, winner: Int64) -> pa.Table:
    batch = decided.processed.batch
    table = visit_table(batch, decided.candidates.row[winner])
    columns = {
        **dict(zip(table.column_names, table.columns, strict=True)),
        **_provenance(uploads, decided, winner),
        "visit_key": visit_keys(decided, winner),
        "treatment_id": _texts(batch, "M15", decided.candidates.row[winner]),
    }
    return _shaped(columns, table_in(batch.layout, "visits").schema)


def _orders(decided: Decided, winner: Int64, visits: pa.Table) -> tuple[pa.Table, Int64]:
    """Rows of ``orders``, and of each the row of its visit."""
    batch, row = decided.processed.batch, decided.candidates.row[winner]
    first = batch.first_order[row].astype(np.int64)
    count = batch.first_order[row + 1] - first
    parent = np.repeat(np.arange(len(row)), count)
    number = np.arange(len(parent)) - np.repeat(np.cumsum(count) - count, count)
    table = order_table(batch, first[parent] + number)
    of_visit = visits.select([name for name in _OF_VISIT if name in visits.column_names])
    of_visit = of_visit.take(parent)
    columns = {
        **dict(zip(table.column_names, table.columns, strict=True)),
        **dict(zip(of_visit.column_names, of_visit.columns, strict=True)),
        "order_no": pa.array(number + 1, pa.int32()),
    }
    return _shaped(columns, table_in(batch.layout, "orders").schema), parent


def history_rows(uploads: Sequence[Receipted], decided: Decided) -> pa.Table:
    """One row a record that the merge took, in order."""
    chosen = decided.applied
    row = decided.candidates.row[chosen]
    action = decided.candidates.action[chosen]  # in the order of ``ACTIONS``
    columns = {
        **_provenance(uploads, decided, chosen),
        "treatment_id": _texts(decided.processed.batch, "M15", row),
        "action": pa.array(ACTIONS).take(pa.array(action)),
    }
    return _shaped(columns, HISTORY)


def _provenance(
    uploads: Sequence[Receipted], decided: Decided, chosen: Int64
) -> dict[str, pa.Array]:
    """The columns that say where records come from."""
    processed = decided.processed
    batch, row = processed.batch, decided.candidates.row[chosen]
    upload = pa.array(decided.candidates.upload[chosen])
    day = decided.candidates.visits["day"][chosen]
    return {
        "institution": pa.array([e.institution or "" for e in processed.envelopes]).take(upload),
        "upload_id": pa.array([u.upload_id for u in uploads], pa.string()).take(upload),
        "channel": pa.array([e.channel for e in processed.envelopes]).take(upload),
        "received_at": _moments([u.envelope for u in uploads]).take(upload),
        "sequence": pa.array([u.sequence for u in uploads], pa.int64()).take(upload),
        "record": pa.array(batch.record_number[row]),
        "byte_offset": pa.array(_record_offsets(batch, row)),
        "byte_length": pa.array(batch.record_length[row].astype(np.int64)),
        "visit_date": pa.array(day, pa.int32(), mask=day == NO_DAY).cast(pa.date32()),
        "plan": _constant(processed.plan.hash, len(row)),
    }


def _record_offsets(batch: Batch, row: Int64) -> Int64:
    """Where records begin, in bytes of their own upload."""
    return batch.record_offset[row].astype(np.int64) - batch.start[batch.record_upload[row]]


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
    columns |= _standing(processed)
    return pa.table([columns[name] for name in FINDINGS.names], schema=FINDINGS)


def _standing(processed: Processed) -> dict[str, pa.Array]:
    """The columns that say which version stands, for the findings that tell it."""
    found, by_id = processed.findings, processed.plan.by_id
    versions = (
        [
            processed.standing.get(row) if rule == by_id.get(STANDS) else None
            for row, rule in zip(found.record.tolist(), found.rule.tolist(), strict=True)
        ]
        if processed.standing
        else [None] * len(found)
    )
    return {
        "stands_upload_id": pa.array([v.upload_id if v else None for v in versions], pa.string()),
        "stands_record": pa.array([v.record if v else None for v in versions], pa.int32()),
    }


def held_rows(uploads: Sequence[Receipted], held: Sequence[Hold]) -> pa.Table:
    """Rows of ``held`` for uploads that wait for confirmation."""
    return pa.Table.from_pylist(
        [held_row(uploads[hold.upload], hold) for hold in held], schema=HELD
    )


def held_row(upload: Receipted, hold: Hold) -> dict[str, object]:
    """What was counted when an upload was held."""
    return {
        "upload_id": upload.upload_id,
        "action": "hold",
        "sequence": upload.sequence,
        "institution": upload.envelope.institution or "",
        "visit_month": month_text(hold.month),
        "deletes": hold.deletes,
        "live": hold.live,
        "decided_at": upload.envelope.received_at.astimezone(UTC),
        "by": None,
    }


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
    held: bool = False, version: str | None = None, encoding: str | None = None,
    parser: str | None = None, references: References = NONE,
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
        "status": "refused" if refusal else "held" if held else "done",
        "refusal_code": refusal.code if refusal else None,
        **asdict(counts),
        "redelivery_of": None,
        "version": version,
        "encoding": encoding,
        "parser": parser,
        "plan": plan,
        "engine": ENGINE,
        "reference": json.dumps(references.versions) if references.versions else None,
    }


def processed_row(processed: Processed, place: int, upload: Receipted) -> dict[str, object]:
    """The row of ``uploads`` of one of the uploads that were processed together."""
    return upload_row(
        upload, processed.refusals[place], processed.counts(place), processed.plan.hash,
        held=place in processed.held, version=version_in(processed.batch.layout).number,
        encoding=processed.encodings[place], parser=processed.parsers[place],
        references=processed.references,
    )  # fmt: skip


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
