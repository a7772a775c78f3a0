"""Decisions on held uploads, sent into a stream: each has its place in the order."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from pipeline.decided import STATUS
from pipeline.errors import PipelineError
from pipeline.limits import LIMITS
from pipeline.outcome import Decision
from pipeline.store.kept import KeptTables
from pipeline.store.layout import Layout
from pipeline.stored import Row, StoredUploads
from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.messages import Claim, PoisonError, pack_claim
from pipeline.stream.receipts import partition_of, receipt_of
from pipeline.stream.topics import Stream

_HELD: Final = "held"
_PATIENCE: Final = 60.0
_READ_SECONDS: Final = 0.5
_TABLES_SECONDS: Final = 2.0


class NotYetDecidedError(PipelineError):
    """A decision is with Kafka, and will be carried out once the workers come to it."""

    def __init__(self) -> None:
        super().__init__(
            "決定已送入串流，但還沒有執行；請確認 worker 正在執行，稍後再查看",
            "The decision is in the stream and not carried out yet; look whether the workers run, "
            "and see later",
        )


class Decider:
    """Sends decisions and waits for what comes of them. For any thread."""

    def __init__(
        self, cluster: Cluster, stream: Stream, layout: Layout,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:  # fmt: skip
        self._cluster, self._stream, self._clock = cluster, stream, clock
        self._stored = StoredUploads(KeptTables(layout.uri), LIMITS)

    def decide(
        self, upload_ids: Sequence[str], decision: Decision, by: str | None
    ) -> dict[str, str]:
        """Release or drop uploads; gives the status each had before, which stays if that was not
        ``held``, by upload id (of a redelivery, that of the first upload).

        Of several who decide at the same time the first counts. Raises ``UnknownUploadError``,
        ``BrokerError``, and ``NotYetDecidedError`` for what is not recorded in time.
        """
        rows = {row["upload_id"]: row for row in map(self._upload, upload_ids)}
        held = [row for row in rows.values() if row["status"] == _HELD]
        before = {upload_id: str(row["status"]) for upload_id, row in rows.items()}
        for row in sorted(held, key=lambda row: row["sequence"]):
            status = self._decide(row, decision, by)
            if status != STATUS[decision]:  # somebody else was first
                before[row["upload_id"]] = status
        return before

    def _decide(self, row: Row, decision: Decision, by: str | None) -> str:
        """Decide on one; gives what became of it."""
        upload_id = row["upload_id"]
        partition = partition_of(upload_id)
        with closing(Reader(self._cluster, self._stream.topic("receipts"))) as reader:
            reader.start_at({partition: reader.bounds(partition)[1]})
            sender = Sender(self._cluster)
            sender.send(
                self._stream.topic("intake"), 0,
                pack_claim(self._claim(row, decision, by)),
            )  # fmt: skip
            sender.flush()
            return self._outcome(reader, upload_id)

    def _claim(self, row: Row, decision: Decision, by: str | None) -> Claim:
        claim = Claim(
            row["upload_id"], row["sha256"], 0, row["received_at"], row["institution"],
            row["channel"], row["mode"], row["name"] or "",
        )  # fmt: skip
        now = self._clock().astimezone(UTC)
        return replace(claim, decision=(decision, by, now.isoformat()))

    def _outcome(self, reader: Reader, upload_id: str) -> str:
        until = time.monotonic() + _PATIENCE
        looked = time.monotonic()
        while time.monotonic() < until:
            for message in reader.read(1_000, _READ_SECONDS):
                try:
                    row = receipt_of(message.value).row
                except PoisonError:
                    continue
                if row["upload_id"] == upload_id and row["status"] != _HELD:
                    return str(row["status"])
            if time.monotonic() - looked > _TABLES_SECONDS:
                looked = time.monotonic()
                status = str(self._stored.row(upload_id)["status"])
                if status != _HELD:
                    return status
        raise NotYetDecidedError

    def _upload(self, upload_id: str) -> Row:
        """The row of an upload; of a redelivery that of the first."""
        return self._stored.first(self._stored.row(upload_id))
