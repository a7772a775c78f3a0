"""Dead letters: what could not be read or processed, with the reason; the rest goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from pipeline.metrics import Metrics
from pipeline.stream.broker import BrokerError, Cluster, Reader, Received, Sender
from pipeline.stream.messages import Claim, PoisonError, pack, unpack
from pipeline.stream.topics import Stream
from pipeline.upload_ids import later_id

_MOST: Final = 1_000
_PATIENCE: Final = 30.0

_log = logging.getLogger(__name__)


class DeadLetters:
    """Writes to the topic ``dead``; durable with the sender's next flush."""

    def __init__(self, sender: Sender, stream: Stream, metrics: Metrics) -> None:
        self._sender, self._metrics = sender, metrics
        self._topic = stream.topic("dead")

    def poison(self, message: Received, fault: Exception) -> None:
        """A message that can't be read."""
        place = {
            "topic": message.topic, "partition": message.partition, "offset": message.offset,
        }  # fmt: skip
        _log.error("poison at %(topic)s/%(partition)s/%(offset)s", place)
        self._metrics.letter("poison")
        self._put(place | {"reason": str(fault)}, message.value)

    def failed(self, claim: Claim, sequence: int, reason: str, *, partly: bool = False) -> None:
        """An upload that we failed on; ``partly``: some of its records were taken."""
        facts = {"upload_id": claim.upload_id, "sequence": sequence}
        _log.error("an upload failed (%s)", reason, extra={"facts": facts})
        self._metrics.letter("failed")
        self._metrics.failed(1)
        header = {"claim": claim.header(), "sequence": sequence, "reason": reason, "partly": partly}
        self._put(header, b"")

    def _put(self, header: dict[str, Any], value: bytes) -> None:
        self._sender.send(self._topic, 0, pack("dead", header, [value]))


def failed_claims(cluster: Cluster, stream: Stream) -> Iterator[Claim]:
    """The claims by which uploads that we failed on may be sent again, each once; there may be
    some that were sent again since.

    An upload of which nothing was taken keeps its id; one that was taken in part gets another, the
    same whenever it is asked for.
    """
    latest = dict[str, Claim]()
    with Reader(cluster, stream.topic("dead")) as reader:
        at, end = reader.bounds(0)
        reader.start_at({0: at})
        while at < end:
            messages = reader.read(_MOST, _PATIENCE)
            if not messages:
                raise BrokerError("Kafka 沒有回應", "Kafka does not give the dead letters")
            for message in messages:
                at = message.offset + 1
                for claim in _failed(message.value):
                    latest[claim.twin] = claim
    yield from latest.values()


def _failed(value: bytes) -> Iterator[Claim]:
    """The next claim of an upload that a letter tells of."""
    try:
        _, header, _ = unpack(value)
        claim = Claim.of(header["claim"])
    except (PoisonError, KeyError, TypeError):  # a letter about a message
        return
    upload_id = later_id(claim.upload_id) if header.get("partly") else claim.upload_id
    yield replace(claim, upload_id=upload_id, repeats=None, again=claim.again + 1)
