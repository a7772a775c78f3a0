"""What a store's tables must say after a replay, and what they say, as sets of comparable rows.

Upload ids are random, so uploads are named by their file names. Buckets are left out: where a row
is stored says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.outcome import Verdict
from rules import load_plan
from tests.oracle.replay import TAIPEI, Answer, Hold, Replay, Visit
from tests.oracle.visit import moment_inside

Row = dict[str, Any]
Tables = dict[str, list[str]]
CURRENT = ("visits", "orders", "history", "prescriptions")
DECISIONS = {"done": "release", "dropped": "drop"}
FIRST_MONTH = "2022-01"  # what was before is stored together
COUNTED = (
    "records", "records_accepted", "records_warned", "records_rejected",
    "orders", "orders_accepted", "orders_rejected",
)  # fmt: skip


def expected(replay: Replay) -> Tables:
    """Every table's rows after a replay."""
    rows = {
        "visits": map(_visit, replay.live.items()),
        "orders": (row for item in replay.live.items() for row in _orders(*item)),
        "history": (_history(action, visit) for action, visit in replay.history),
        "prescriptions": map(_prescription, replay.ledger.rows(replay.live)),
        "findings": (row for answer in replay.answers for row in _findings(answer)),
        "uploads": (_upload(answer, replay.precheck) for answer in replay.answers),
        "held": (row for a in replay.answers if a.hold for row in _held(a, a.hold)),
    }
    return {name: _comparable(table) for name, table in rows.items()}


def read(store: Path, name: str) -> pl.DataFrame:
    """A table's current rows."""
    return pl.read_delta(str(store / "tables" / name))


def stored(
    store: Path, precheck: bool = False, read: Callable[[Path, str], pl.DataFrame] = read
) -> Tables:
    """The same of a store that took only these uploads, or as ``read`` gives its tables."""
    prefix = "precheck_" if precheck else ""
    uploads = read(store, "uploads")
    name_of = dict(zip(uploads["upload_id"], uploads["name"], strict=True))
    tables = {}
    for name in (*CURRENT, "findings", "uploads", "held"):
        rows = read(store, prefix + name if name in CURRENT else name).to_dicts()
        tables[name] = _comparable(_named(name, row, name_of) for row in rows)
    return tables


def _named(table: str, row: Row, name_of: dict[str, str]) -> Row:
    row = {k: v for k, v in row.items() if k != "bucket"}
    for column, named in (("upload_id", "upload"), ("stands_upload_id", "stands_upload")):
        if column in row:
            row[named] = name_of.get(row.pop(column))
    if table == "findings":
        row = {k: v for k, v in row.items() if k not in ("byte_offset", "byte_length", "value")}
    if table == "held" and row["action"] != "hold":
        row = {name: row[name] for name in ("upload", "action")}
    if table == "uploads":
        kept = ("name", "institution", "channel", "mode", "received_at", "sequence", "status")
        row = {k: row[k] for k in (*kept, "refusal_code", "redelivery_of", *COUNTED)}
    return row


def _comparable(rows: Iterable[Row]) -> list[str]:
    return sorted(repr([(k, _plain(row[k])) for k in sorted(row)]) for row in rows)


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else value


def _month(text: str | None) -> str:
    return text if text and text >= FIRST_MONTH else "0000-00"


def _provenance(visit: Visit) -> Row:
    start, stop = visit.place
    return {
        "treatment_id": visit.fields["M15"],
        "institution": visit.institution,
        "visit_date": visit.day,
        "received_at": visit.received_at.astimezone(UTC),
        "sequence": visit.sequence,
        "upload": visit.upload,
        "record": visit.record,
        "byte_offset": start,
        "byte_length": stop - start,
        "plan": load_plan().hash,
    }


def _visit(item: tuple[str, Visit]) -> Row:
    key, visit = item
    month = {"visit_month": _month(visit.month)}
    return {"visit_key": key} | visit.fields | _provenance(visit) | month


def _orders(key: str, visit: Visit) -> Iterator[Row]:
    shared = {
        "visit_key": key,
        "treatment_id": visit.fields["M15"],
        "visit_date": visit.day,
        "visit_month": _month(visit.month),
        "sequence": visit.sequence,
    }
    for number, order in enumerate(visit.orders, start=1):
        yield shared | order | {"order_no": number}


def _history(action: str, visit: Visit) -> Row:
    return _provenance(visit) | {"action": action}


def _prescription(row: dict[str, object]) -> Row:
    issued = moment_inside(str(row["prescription_id"]))
    return row | {"issued_month": _month(f"{issued:%Y-%m}")}


def _findings(answer: Answer) -> Iterator[Row]:
    plan = load_plan()
    for found in answer.findings:
        rule = plan.rules[plan.by_id[found.rule]]
        upload, record = found.stands or (None, None)
        yield {
            "upload": answer.upload,
            "institution": answer.envelope.institution,
            "received_date": answer.envelope.received_at.astimezone(TAIPEI).date(),
            "record": found.record,
            "order_no": found.order + 1 if found.order >= 0 else None,
            "field": found.field,
            "code": rule.code,
            "severity": rule.severity,
            "rule": rule.id,
            "stands_upload": upload,
            "stands_record": record,
        }


def _held(answer: Answer, hold: Hold) -> Iterator[Row]:
    yield {
        "upload": answer.upload,
        "action": "hold",
        "sequence": hold.sequence,
        "institution": answer.envelope.institution,
        "visit_month": hold.month,
        "deletes": hold.deletes,
        "live": hold.live,
        "decided_at": answer.envelope.received_at.astimezone(UTC),
        "by": None,
    }
    if answer.status != "held":  # decided by somebody, at a moment of theirs
        yield {"upload": answer.upload, "action": DECISIONS[answer.status]}


def _upload(answer: Answer, precheck: bool) -> Row:
    envelope, refusal = answer.envelope, answer.processed.refusals[0]
    counts = asdict(answer.processed.counts(0)) | {
        "records_accepted": len(answer.verdicts) - answer.rejected,
        "records_warned": answer.verdicts.count(Verdict.WARNED),
        "records_rejected": answer.rejected,
    }
    return {
        "name": answer.upload,
        "institution": envelope.institution,
        "channel": envelope.channel,
        "mode": "precheck" if precheck else "official",
        "received_at": envelope.received_at.astimezone(UTC),
        "sequence": answer.sequence,
        "status": answer.status,
        "refusal_code": refusal.code if refusal else None,
        "redelivery_of": None,
        **counts,
    }
