"""EDGE: the door of a stream: an upload that got a ticket is archived, and its claim is with Kafka.

    Step 1  the bytes become an object of the archive
    Step 2  the claim goes to ``intake``, whose offset is its place in the order
    Step 3  if it has an Idempotency-Key: it is read back, to see whether somebody was there first

An id made of institution and key is the same wherever and whenever it is asked for, but for its
moment. So ``intake`` alone tells who was first, to all doors alike and to the dispatcher; there is
no other memory of keys, and it reaches as far back as that of the dispatcher (``twins.REACH``).
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from datetime import UTC, datetime
from threading import Lock
from typing import Final

from pipeline.errors import PipelineError
from pipeline.ingest.unpack import Payload
from pipeline.intake.door import Clock
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.sender import (
    DoorClosedError,
    KeyReusedError,
    Sender,
    Ticket,
    full,
    stopping,
    trouble,
)
from pipeline.metrics import Metrics
from pipeline.stream.broker import BrokerError, Cluster
from pipeline.stream.broker import Sender as Producer
from pipeline.stream.following import Following, taken_of
from pipeline.stream.messages import Claim, pack_claim, why_refused
from pipeline.stream.objects import Objects
from pipeline.stream.topics import Stream, refuse_renewed
from pipeline.stream.twins import First
from pipeline.upload_ids import new_upload_id, received_of, upload_id_of

_PATIENCE: Final = 20.0  # seconds for the cluster to take a claim, and for it to come back
_SHUT_SECONDS: Final = 2.0

_log = logging.getLogger(__name__)


class StreamDoor:
    """Takes uploads in, from any number of threads and processes. Like ``intake.door.Door``."""

    def __init__(
        self, cluster: Cluster, stream: Stream, objects: Objects, following: Following,
        outcomes: Outcomes, clock: Clock, metrics: Metrics,
    ) -> None:  # fmt: skip
        patience = {"message.timeout.ms": str(int(_PATIENCE * 1000))}
        self._cluster = replace(cluster, settings={**cluster.settings, **patience})
        self._topic, self._stream = stream.topic("intake"), stream
        self._objects, self._following, self._outcomes = objects, following, outcomes
        self._clock, self._metrics = clock, metrics
        self._producer = Producer(self._cluster)
        self._renewing = Lock()
        self._shut_until = 0.0
        self._closed = False

    @property
    def is_open(self) -> bool:
        """Whether uploads are taken."""
        return self._why_shut() is None

    def close(self) -> None:
        """No more uploads are taken."""
        self._closed = True

    def take(self, payload: Payload, sender: Sender, key: str | None = None) -> Ticket:
        """Make an upload durable. Blocks until it is.

        Raises ``DoorClosedError`` and ``KeyReusedError``; nothing was taken then, or it is not
        known: whoever has a key sends it again and gets the one ticket.
        """
        with self._metrics.stage("take") as uploads:
            shut = self._why_shut()
            if shut is not None:
                raise shut
            claim = self._claim(payload, sender, key)
            try:
                first = self._sent_before(claim, payload, key)
            except (OSError, PipelineError) as error:
                raise self._trouble(error) from error
            if first is None:
                uploads[claim.upload_id] = vars(claim)
                return Ticket(claim.upload_id, claim.received_at)
            if not first.same:
                raise KeyReusedError
            return Ticket(first.upload_id, received_of(first.upload_id), again=True)

    def _sent_before(self, claim: Claim, payload: Payload, key: str | None) -> First | None:
        """Send a claim, unless its key was used before."""
        first = self._following.known(claim) if key is not None else None
        if first is not None:
            return first
        if payload.refusal is None:
            self._objects.keep(claim.sha256, payload.data)
        read = self._following.next
        offset = self._deliver(pack_claim(claim))
        if offset < read:
            raise BrokerError(
                f"Kafka 將位置 {offset} 給了兩筆上傳：資料已遺失",
                f"Kafka gave place {offset} to two uploads: it lost data",
            )
        refuse_renewed(self._objects.layout, self._stream)  # else nobody hears of it
        if key is not None:
            first = self._following.repeats(offset, _PATIENCE)
        if first is None:
            self._outcomes.taken([taken_of(claim, self._stream.sequence_of(offset))])
        return first

    def _deliver(self, value: bytes) -> int:
        producer = self._producer
        try:
            return producer.deliver(self._topic, 0, value, 1.5 * _PATIENCE)
        except BrokerError:
            with self._renewing:  # one that has failed for good would never do again
                if self._producer is producer:
                    self._producer = Producer(self._cluster)
            raise

    def _claim(self, payload: Payload, sender: Sender, key: str | None) -> Claim:
        now = self._clock().astimezone(UTC)
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as its id tells it
        return Claim(
            _upload_id(now, sender.institution, key), payload.sha256.hex(), len(payload.data), now,
            sender.institution, sender.channel, sender.mode, sender.name or payload.name,
            sender.address,
            refusal=why_refused(payload.refusal),
        )  # fmt: skip

    def _why_shut(self) -> DoorClosedError | None:
        if self._closed:
            return stopping()
        if self._following.fault or time.monotonic() < self._shut_until:
            return trouble()
        return None if self._following.has_room else full()

    def _trouble(self, error: Exception) -> DoorClosedError:
        told = error.message_en if isinstance(error, PipelineError) else type(error).__name__
        _log.error("an upload was not taken: %s", told)
        self._shut_until = time.monotonic() + _SHUT_SECONDS
        return trouble()


def _upload_id(now: datetime, institution: str, key: str | None) -> str:
    if key is None:
        return new_upload_id(now)
    return upload_id_of(now, "\0".join(("key", institution, key)).encode())
