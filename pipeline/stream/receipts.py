"""Receipts on the topic ``receipts``: what was said of an upload, by its id."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zlib import crc32

import pyarrow as pa

from pipeline.results import upload_rows
from pipeline.stream.broker import Sender
from pipeline.stream.messages import PoisonError, pack, unpack
from pipeline.stream.staging import Receipt
from pipeline.stream.topics import RECEIPTS, Stream
from schemas.tables import FINDINGS

RECEIPT = "receipt"


def partition_of(upload_id: str) -> int:
    """The partition of an upload's receipt."""
    return crc32(upload_id.encode()) % RECEIPTS


def send_receipt(sender: Sender, stream: Stream, receipt: Receipt) -> None:
    """Send one; the same again after a crash."""
    upload_id = receipt.row["upload_id"]
    value = pack(RECEIPT, {"upload": receipt.row, "findings": receipt.findings})
    sender.send(stream.topic("receipts"), partition_of(upload_id), value, upload_id.encode())


def receipt_of(message: bytes) -> Receipt:
    """Back from a message. Raises ``PoisonError``."""
    kind, header, _ = unpack(message)
    try:
        if kind != RECEIPT:
            raise PoisonError(kind)
        row = dict(header["upload"])
        row["received_at"] = datetime.fromisoformat(row["received_at"])
        upload_rows([row])
        return Receipt(row, [_finding(found) for found in header["findings"]])
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        raise PoisonError("no receipt") from error


def findings_of(receipt: Receipt) -> pa.Table:
    """Its rows of ``findings``."""
    rows: Sequence[Mapping[str, Any]] = receipt.findings
    return pa.Table.from_pylist(list(rows), schema=FINDINGS)


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    return {**found, "received_date": date.fromisoformat(found["received_date"])}
