"""Dead letters: what could not be read or processed, with the reason; the rest goes on."""

from __future__ import annotations

import logging
from typing import Any

from pipeline.errors import kind_and_place
from pipeline.metrics import Metrics
from pipeline.stream.broker import Received, Sender
from pipeline.stream.messages import Claim, pack
from pipeline.stream.topics import Stream

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

    def failed(self, claim: Claim, sequence: int, fault: Exception) -> None:
        """An upload that we failed on."""
        facts = {"upload_id": claim.upload_id, "sequence": sequence}
        _log.error("an upload failed (%s)", kind_and_place(fault), extra={"facts": facts})
        self._metrics.letter("failed")
        self._metrics.failed(1)
        self._put(
            {"claim": claim.header(), "sequence": sequence, "reason": kind_and_place(fault)}, b""
        )

    def _put(self, header: dict[str, Any], value: bytes) -> None:
        self._sender.send(self._topic, 0, pack("dead", header, [value]))
