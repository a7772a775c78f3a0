"""Receipts on the topic ``receipts``: what was said of an upload, by its id."""

from __future__ import annotations

from zlib import crc32

from pipeline.stream.broker import Sender
from pipeline.stream.messages import pack
from pipeline.stream.staging import Receipt
from pipeline.stream.topics import RECEIPTS, Stream

RECEIPT = "receipt"


def partition_of(upload_id: str) -> int:
    """The partition of an upload's receipt."""
    return crc32(upload_id.encode()) % RECEIPTS


def send_receipt(sender: Sender, stream: Stream, receipt: Receipt) -> None:
    """Send one; the same again after a crash."""
    upload_id = receipt.row["upload_id"]
    value = pack(RECEIPT, {"upload": receipt.row, "findings": receipt.findings})
    sender.send(stream.topic("receipts"), partition_of(upload_id), value, upload_id.encode())
