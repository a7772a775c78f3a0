"""Dead letters: what could not be read or processed, with the reason; the rest goes on."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import polars as pl

from pipeline.metrics import Metrics
from pipeline.store.read import Snapshot
from pipeline.stream.broker import Cluster, Reader, Received, Sender
from pipeline.stream.messages import Claim, PoisonError, pack, unpack
from pipeline.stream.topics import Stream
from pipeline.upload_ids import later_id

_UPLOADS: Final = pl.Schema({"upload_id": pl.String})

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


@dataclass(frozen=True)
class Poison:
    """The letter about a message that nobody could read, and where that stands. ``number``: the
    letter's offset; ``at``: when it was written, in seconds since 1970."""

    number: int
    at: float
    why: str
    topic: str
    partition: int
    offset: int


@dataclass(frozen=True)
class Failed:
    """The letter about an upload that we failed on; of one that is ``partly`` so, some was taken.
    ``number`` and ``at`` as in ``Poison``."""

    number: int
    at: float
    why: str
    claim: Claim
    sequence: int
    partly: bool = False

    @property
    def again(self) -> Claim:
        """The claim by which it is sent again.

        An upload of which nothing was taken keeps its id; one that was taken in part gets another,
        the same whenever it is asked for.
        """
        upload_id = later_id(self.claim.upload_id) if self.partly else self.claim.upload_id
        return replace(self.claim, upload_id=upload_id, repeats=None, again=self.claim.again + 1)


def dead_letters(cluster: Cluster, stream: Stream) -> Iterator[Poison | Failed]:
    """All of them, in order. Raises ``BrokerError``."""
    with Reader(cluster, stream.topic("dead")) as reader:
        yield from map(_letter, reader.span(0, *reader.bounds(0)))


def unanswered(store_uri: str, letters: Iterable[Poison | Failed]) -> list[Failed]:
    """Of uploads that we failed on and that were not taken since, the last letter about each.

    Raises ``StoreUnusableError``.
    """
    last = {one.again.twin: one for one in letters if isinstance(one, Failed)}
    ids = [one.again.upload_id for one in last.values()]
    uploads = Snapshot(store_uri, ("uploads",)).scan("uploads", _UPLOADS)
    known = uploads.filter(pl.col("upload_id").is_in(ids)).select("upload_id").collect()
    taken = set(known["upload_id"])
    return [one for one in last.values() if one.again.upload_id not in taken]


def _letter(message: Received) -> Poison | Failed:
    number, at = message.offset, message.at
    try:
        _, header, _ = unpack(message.value)
        why = str(header["reason"])
        if "claim" in header:
            claim, partly = Claim.of(header["claim"]), bool(header.get("partly"))
            return Failed(number, at, why, claim, int(header["sequence"]), partly)
        place = (str(header["topic"]), int(header["partition"]), int(header["offset"]))
        return Poison(number, at, why, *place)
    except (PoisonError, KeyError, TypeError, ValueError):  # somebody else wrote here
        return Poison(number, at, "no letter of ours", message.topic, message.partition, number)
