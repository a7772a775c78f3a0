"""The tables of a store: their Arrow schemas and how they are partitioned.

The single truth on columns. Values of the upload's own fields are strings as sent; moments are
UTC with microseconds; ``visit_month`` is ``YYYY-MM`` of ``visit_date`` (``0000-00`` where there is
none, or one before 2022), ``issued_month`` that of the prescription's treatment id, and ``bucket``
the person's bucket, from 0. Columns that must always be there are declared not null.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import pyarrow as pa

from schemas.fields import ORDER_FIELDS, VISIT_FIELDS
from schemas.fields import VISITS as VISITS_LAYOUT
from schemas.versions import versions

_UTC = pa.timestamp("us", tz="UTC")


def _schema(*columns: pa.Field) -> pa.Schema:
    return pa.schema(list(columns))


def _must(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _fields(names: tuple[str, ...]) -> list[pa.Field]:
    return [pa.field(name, pa.string()) for name in names]


_WHEN = (
    pa.field("visit_date", pa.date32()),
    _must("visit_month", pa.string()),
    _must("bucket", pa.int32()),
)
_OF_VISIT = (
    *_WHEN,
    _must("received_at", _UTC),
    _must("sequence", pa.int64()),
    _must("upload_id", pa.string()),
    _must("record", pa.int32()),
    _must("byte_offset", pa.int64()),
    _must("byte_length", pa.int64()),
    _must("plan", pa.string()),
)
_OF_ORDER = (*_WHEN, _must("sequence", pa.int64()))

VISITS = _schema(
    _must("visit_key", pa.string()),
    pa.field("treatment_id", pa.string()),
    *_fields(VISIT_FIELDS),
    _must("institution", pa.string()),
    *_OF_VISIT,
)
"""The last accepted version of every live visit, one row a visit key."""

ORDERS = _schema(
    _must("visit_key", pa.string()),
    pa.field("treatment_id", pa.string()),
    _must("order_no", pa.int32()),
    *_fields(ORDER_FIELDS),
    *_OF_ORDER,
)
"""The orders of ``VISITS``; ``order_no`` counts from 1 within the visit."""

V1_VISITS = _schema(
    _must("visit_key", pa.string()),
    *_fields(versions()["1.0"].visit_fields),
    _must("institution", pa.string()),
    _must("channel", pa.string()),
    *_OF_VISIT,
)
"""The last accepted version of every visit uploaded in format 1.0; ``visit_key`` is institution,
person and moment (A14, A12, A17)."""

V1_ORDERS = _schema(
    _must("visit_key", pa.string()),
    _must("order_no", pa.int32()),
    *_fields(versions()["1.0"].order_fields),
    *_OF_ORDER,
)
"""The orders of ``V1_VISITS``."""

HISTORY = _schema(
    pa.field("treatment_id", pa.string()),
    _must("institution", pa.string()),
    _must("action", pa.string()),
    _must("upload_id", pa.string()),
    _must("record", pa.int32()),
    _must("byte_offset", pa.int64()),
    _must("byte_length", pa.int64()),
    _must("received_at", _UTC),
    _must("sequence", pa.int64()),
    pa.field("visit_date", pa.date32()),
    _must("plan", pa.string()),
)
"""Every accepted record ever; ``action`` is one of ``ACTIONS``."""

ACTIONS = ("put", "delete", "cancel", "uncancel")

PRESCRIPTIONS = _schema(
    _must("prescription_id", pa.string()),
    _must("kind", pa.string()),
    _must("refill", pa.int32()),
    _must("status", pa.string()),
    pa.field("institution", pa.string()),
    pa.field("by_institution", pa.string()),
    pa.field("by_treatment_id", pa.string()),
    pa.field("by_record", pa.int32()),
    _must("issued_month", pa.string()),
    _must("bucket", pa.int32()),
    _must("sequence", pa.int64()),
)
"""The ledger, one row a refill from 1. ``institution`` (the issuer) is null until it is known;
``by_record`` of the upload of that ``sequence`` dispensed it."""

UPLOADS = _schema(
    _must("upload_id", pa.string()),
    pa.field("name", pa.string()),
    _must("sha256", pa.string()),
    pa.field("institution", pa.string()),
    _must("channel", pa.string()),
    _must("mode", pa.string()),
    _must("received_at", _UTC),
    _must("sequence", pa.int64()),
    _must("status", pa.string()),
    pa.field("refusal_code", pa.string()),
    _must("records", pa.int64()),
    _must("records_accepted", pa.int64()),
    _must("records_warned", pa.int64()),
    _must("records_rejected", pa.int64()),
    _must("orders", pa.int64()),
    _must("orders_accepted", pa.int64()),
    _must("orders_rejected", pa.int64()),
    pa.field("redelivery_of", pa.string()),
    pa.field("version", pa.string()),
    pa.field("encoding", pa.string()),
    pa.field("parser", pa.string()),
    _must("plan", pa.string()),
    _must("engine", pa.string()),
    pa.field("reference", pa.string()),
)
"""One row a receipt; ``status`` is one of ``STATUSES``, ``version`` that of the format (null where
it could not be told). ``name`` is for people only. ``reference`` is the version of each reference
table its verdict rests on, as JSON; null for none.

Of a card-registration file, ``mode`` and ``version`` are ``REGISTRATION``, its rows are counted as
records, ``institution`` is null; one rejected as a whole is ``refused``, with the code why."""

STATUSES = ("done", "refused", "held", "dropped")

REGISTRATION: Final = "registration"
StoreMode = Literal["official", "precheck", "registration"]
"""What ``mode`` may be: how an upload of visits was sent, or that it is a registration file."""

FINDINGS = _schema(
    _must("upload_id", pa.string()),
    pa.field("institution", pa.string()),
    _must("received_date", pa.date32()),
    _must("record", pa.int32()),
    pa.field("order_no", pa.int32()),
    _must("field", pa.string()),
    _must("code", pa.string()),
    _must("severity", pa.string()),
    _must("rule", pa.string()),
    _must("byte_offset", pa.int64()),
    _must("byte_length", pa.int64()),
    pa.field("value", pa.string()),
    pa.field("stands_upload_id", pa.string()),
    pa.field("stands_record", pa.int32()),
)
"""``order_no`` counts from 1 and is null for a finding on the record; the place is in bytes of the
upload as received (Asia/Taipei day in ``received_date``). Of a card-registration file a record is a
row, and 0 the file itself. ``stands_``: the version of the visit
that stands after a rejected correction, where the finding tells of one."""

HELD = _schema(
    _must("upload_id", pa.string()),
    _must("action", pa.string()),
    _must("sequence", pa.int64()),
    _must("institution", pa.string()),
    _must("visit_month", pa.string()),
    _must("deletes", pa.int64()),
    _must("live", pa.int64()),
    _must("decided_at", _UTC),
    pa.field("by", pa.string()),
)
"""What became of uploads that would delete much, row by row: ``action`` is one of
``HELD_ACTIONS``, ``sequence`` the one whose counts were looked at, or that of the release."""

HELD_ACTIONS = ("hold", "release", "drop")

BATCHES = _schema(
    _must("batch", pa.int64()),
    _must("sequence_from", pa.int64()),
    _must("sequence_to", pa.int64()),
    _must("committed_at", _UTC),
    _must("versions", pa.map_(pa.string(), pa.int64())),
)
"""Which table versions belong together: ``versions`` is table name -> Delta version."""

REGISTRATIONS = _schema(
    _must("registration_key", pa.string()),
    _must("insured_unit", pa.string()),
    _must("file_date", pa.date32()),
    _must("R01", pa.string()),
    _must("R02", pa.string()),
    pa.field("R03", pa.string()),
    _must("received_at", _UTC),
    _must("sequence", pa.int64()),
    _must("upload_id", pa.string()),
    _must("row", pa.int32()),
    _must("byte_offset", pa.int64()),
    _must("byte_length", pa.int64()),
    _must("plan", pa.string()),
)
"""Of every person and insured unit the accepted row of card-registration files received last: id,
e-mail, and phone where it is one. ``registration_key`` is unit and id, ``row`` counts from 1, the
place is that of its line in the file. Assumed, for the documents do not say: a later file takes no
person away whom it doesn't name, and units don't replace each other's rows."""


@dataclass(frozen=True)
class Table:
    """A table's columns and the columns its files are partitioned by (none: one folder)."""

    schema: pa.Schema
    partition_by: tuple[str, ...] = ()


TABLES: dict[str, Table] = {
    "visits": Table(VISITS, ("visit_month", "bucket")),
    "orders": Table(ORDERS, ("visit_month", "bucket")),
    "history": Table(HISTORY),
    "prescriptions": Table(PRESCRIPTIONS, ("issued_month", "bucket")),
    "findings": Table(FINDINGS, ("received_date",)),
    "held": Table(HELD),
    "v1_visits": Table(V1_VISITS, ("visit_month", "bucket")),
    "v1_orders": Table(V1_ORDERS, ("visit_month", "bucket")),
    "uploads": Table(UPLOADS),
    "batches": Table(BATCHES),
    "registrations": Table(REGISTRATIONS),
}
"""Every table by name. Pre-check tables have the same columns under ``precheck_`` and the name."""

Track = Literal["official", "precheck", "v1"]
"""What is merged for itself: official and pre-checked uploads of 2.0, and uploads of 1.0."""

PREFIXES: dict[Track, str] = {"official": "", "precheck": "precheck_", "v1": "v1_"}
"""What the names of a track's own tables begin with."""

PRECHECK_TABLES = ("visits", "orders", "history", "prescriptions")
"""Tables that a pre-check has of its own."""


def track_of(layout: str, mode: str) -> Track:
    """The track of uploads of a layout (``schemas.fields.layouts``), sent in a mode."""
    if layout != VISITS_LAYOUT:
        return "v1"
    return "precheck" if mode == "precheck" else "official"


def table_in(layout: str, name: str) -> Table:
    """The table of a name for uploads of a layout."""
    return TABLES[name if layout == VISITS_LAYOUT else PREFIXES["v1"] + name]
