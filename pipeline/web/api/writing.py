"""Answers of the API as JSON."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson
from starlette.responses import Response

from pipeline.desk.receipts import Receipt
from pipeline.report.answer import Answer
from pipeline.report.masking import without_ids
from pipeline.report.verdict_json import verdict_json
from pipeline.stored import Row
from pipeline.taipei import TAIPEI

_COUNTS = (
    "records", "records_accepted", "records_warned", "records_rejected",
    "orders", "orders_accepted", "orders_rejected",
)  # fmt: skip


def in_taipei(moment: datetime) -> str:
    """A moment in ISO 8601 with Taipei's offset, to the millisecond."""
    return moment.astimezone(TAIPEI).isoformat(timespec="milliseconds")


def json_response(
    said: dict[str, Any] | bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An object, or JSON already written, as an answer."""
    body = said if isinstance(said, bytes) else orjson.dumps(said)
    return Response(body, status, headers, "application/json")


def masked_verdict(answer: Answer) -> bytes:
    """A verdict as ``check --format json`` gives it, without ids in the upload's name either."""
    return verdict_json(replace(answer, name=without_ids(answer.name))).rstrip()


def verdict_of(receipt: Receipt) -> orjson.Fragment | None:
    """The verdict of an upload that has one."""
    return orjson.Fragment(masked_verdict(receipt.answer)) if receipt.answer else None


def taken_json(upload_id: str, received_at: datetime, receipt: Receipt | None) -> dict[str, Any]:
    """What is told of an upload just taken in."""
    return {
        "upload_id": upload_id,
        "status": receipt.state if receipt else "waiting",
        "received_at": in_taipei(received_at),
        "receipt": verdict_of(receipt) if receipt else None,
    }


def upload_json(receipt: Receipt) -> dict[str, Any]:
    """An upload and what became of it."""
    row = receipt.row
    return {
        **_known(row, receipt.state),
        "redelivery_of": row["redelivery_of"],
        "download_ends_at": in_taipei(receipt.ends_at),
        "receipt": verdict_of(receipt),
    }


def listed_json(row: Row) -> dict[str, Any]:
    """A line of the result list."""
    decided = row["status"] not in ("waiting", "failed")
    return {
        **_known(row, row["status"]),
        "refusal_code": row["refusal_code"],
        "counts": {name: row[name] for name in _COUNTS} if decided else None,
    }


def _known(row: Row, status: str) -> dict[str, Any]:
    return {
        "upload_id": row["upload_id"],
        "status": status,
        "received_at": in_taipei(row["received_at"]),
        "institution": row["institution"],
        "mode": row["mode"],
        "channel": row["channel"],
        "name": without_ids(row["name"] or ""),
        "version": row["version"],
    }
