"""What a web process knows of a stream: what was taken in and by whom, and what became of it.

One thread reads ``intake`` and ``receipts`` from where the tables end, and tells ``Outcomes``; what
we failed on is in no table, and known from the dead letters. So any number of web processes know
the same, whichever of them an upload came by.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from threading import Condition, Event, Thread
from typing import Final

from pipeline.decided import STATUS
from pipeline.errors import PipelineError, kind_and_place
from pipeline.intake.outcomes import Outcomes
from pipeline.intake.sender import Sender
from pipeline.intake.taken import Taken
from pipeline.intake.told import Told
from pipeline.metrics import Metrics
from pipeline.outcome import Refusal
from pipeline.store.layout import Layout
from pipeline.stream.broker import BrokerError, Cluster, Reader, Received
from pipeline.stream.deciding import FAILED
from pipeline.stream.letters import dead_letters, unanswered
from pipeline.stream.losses import refuse_lost
from pipeline.stream.messages import Claim, PoisonError, claim_of
from pipeline.stream.receipts import findings_of, receipt_of
from pipeline.stream.standing import standing_of
from pipeline.stream.topics import RECEIPTS, Stream
from pipeline.stream.twins import REACH, First, Recent

MOST_WAITING: Final = 100_000
"""Uploads that may wait before no more is taken in, nor read here."""
_MOST: Final = 1_000
_WAIT_SECONDS: Final = 0.02
_TABLES_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 1.0
_START_SECONDS: Final = 300.0
_MOST_REPEATS: Final = 10_000
_STEP_BACK: Final = 256
DROPPED: Final = STATUS["drop"]

_log = logging.getLogger(__name__)


@dataclass
class _Intake:
    """How far ``intake`` is read. ``repeats``: by offset, what some of the last claims repeat."""

    recent: Recent
    next: int
    repeats: dict[int, First]


class Following:
    """Follows the stream into a store from ``start`` to ``stop``. Any thread may ask."""

    def __init__(
        self, cluster: Cluster, stream: Stream, layout: Layout, outcomes: Outcomes, metrics: Metrics
    ) -> None:
        self._cluster, self._stream, self._layout = cluster, stream, layout
        self._outcomes, self._metrics = outcomes, metrics
        self._through = stream.after
        self._intake: _Intake | None = None
        self._begun: _Readers | None = None
        self._changed = Condition()
        self._looked = 0.0
        self._tabled: tuple[int, Mapping[int, int]] | None = None
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="following", daemon=True)
        self.fault: str | None = None
        """Why it does not follow now."""

    def start(self) -> None:
        """Follow; returns when all is read that was there. Raises ``BrokerError`` and
        ``StoreUnusableError``."""
        self._begun = self._begin()
        self._thread.start()
        if not self.reaches(self._end(), _START_SECONDS):
            raise BrokerError(
                "Kafka 沒有送回已收件的清單", "Kafka does not give the claims that were taken in"
            )

    def stop(self) -> None:
        """No more."""
        self._stopping.set()
        self._thread.join()

    @property
    def alive(self) -> bool:
        """Whether it goes on, or will once Kafka is back."""
        return self._thread.is_alive()

    @property
    def has_room(self) -> bool:
        """Whether more may be taken in."""
        return self._outcomes.count_waiting < MOST_WAITING

    def known(self, claim: Claim) -> First | None:
        """What a claim would repeat, as far as it is read."""
        with self._changed:
            return self._intake.recent.known(claim) if self._intake else None

    def repeats(self, offset: int, seconds: float) -> First | None:
        """What the claim at an offset repeats. Raises ``TimeoutError`` if it is not read in time,
        or too long ago."""
        if not self.reaches(offset + 1, seconds):
            raise TimeoutError
        with self._changed:
            assert self._intake is not None  # noqa: S101
            return self._intake.repeats.get(offset)

    @property
    def next(self) -> int:
        """The offset of ``intake`` that is read next."""
        with self._changed:
            return self._intake.next if self._intake else 0

    def reaches(self, offset: int, seconds: float) -> bool:
        """Wait until ``intake`` is read up to an offset; whether it is."""
        with self._changed:
            return self._changed.wait_for(
                lambda: self._intake is not None and self._intake.next >= offset, seconds
            )

    def catch_up(self, seconds: float) -> None:
        """Wait until all is read that is there now. Raises ``BrokerError``."""
        self.reaches(self._end(), seconds)

    def _end(self) -> int:
        with Reader(self._cluster, self._stream.topic("intake")) as reader:
            return reader.bounds(0)[1]

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                readers, self._begun = self._begun or self._begin(), None
                with readers:
                    self.fault = None
                    while not self._stopping.is_set():
                        self._turn(readers)
            except PipelineError as fault:
                self.fault = fault.message_en
            except Exception as fault:
                self.fault = kind_and_place(fault)
                _log.exception("following the stream failed: %s", self.fault)
            if self.fault:
                _log.error("the stream is not followed: %s", self.fault)
                self._stopping.wait(_PAUSE_SECONDS)

    def _begin(self) -> _Readers:
        """Both topics, from where what they tell is not in the tables; and what we failed on.

        Raises what ``refuse_lost`` raises.
        """
        standing = standing_of(self._layout, self._stream)
        refuse_lost(self._cluster, self._stream, standing)
        self._through, self._tabled = standing.through, None
        self._know_failed()
        readers = _Readers(self._cluster, self._stream, self._metrics)
        try:
            start = readers.begin(self._through)
        except BaseException:
            readers.__exit__()
            raise
        with self._changed:
            self._intake = _Intake(Recent(REACH), start, {})
        return readers

    def _committed(self) -> int:
        """The sequence up to which the tables have everything."""
        return standing_of(self._layout, self._stream).through

    def _know_failed(self) -> None:
        """What is in no table, since we failed on it."""
        letters = unanswered(self._layout.uri, dead_letters(self._cluster, self._stream))
        failed = [
            taken_of(one.claim, one.sequence)
            for one in letters
            if not one.partly and self._outcomes.state(one.claim.upload_id) is None
        ]
        self._outcomes.taken(failed)
        self._outcomes.failed(one.upload_id for one in failed)

    def _turn(self, readers: _Readers) -> None:
        """Read what is there: of ``intake`` first, since receipts are about what came there."""
        if self.has_room:
            self._take(readers.intake.read(_MOST, _WAIT_SECONDS))
        else:
            self._stopping.wait(_WAIT_SECONDS)
        self._tell(readers.read_receipts())
        self._settle(readers)
        if not self._tabled and time.monotonic() - self._looked > _TABLES_SECONDS:
            self._looked = time.monotonic()
            if self._outcomes.count_waiting or self._outcomes.has_uncommitted:
                self._look_at_tables(readers)

    def _look_at_tables(self, readers: _Readers) -> None:
        through = self._committed()
        if through > self._through:
            self._tabled = (through, readers.ends())

    def _settle(self, readers: _Readers) -> None:
        """What the tables have is no more told from here, once its receipts are read: some may tell
        that we failed."""
        if self._tabled and readers.are_beyond(self._tabled[1]):
            (self._through, _), self._tabled = self._tabled, None
            self._outcomes.recorded(self._through)

    def _take(self, messages: Sequence[Received]) -> None:
        taken = list[Taken]()
        with self._changed:
            assert self._intake is not None  # noqa: S101
            for message in messages:
                one = self._note(self._intake, message)
                if one is not None:
                    taken.append(one)
            self._outcomes.taken(taken)
            if messages:
                self._intake.next = messages[-1].offset + 1
                self._changed.notify_all()

    def _note(self, intake: _Intake, message: Received) -> Taken | None:
        """An upload that waits, if the claim is of one that may not be in the tables."""
        try:
            claim = claim_of(message.value)
        except PoisonError:  # the dispatcher tells of it
            return None
        first = intake.recent.first(message.offset, claim)
        if first is not None:
            intake.repeats[message.offset] = first
            if len(intake.repeats) > _MOST_REPEATS:
                del intake.repeats[next(iter(intake.repeats))]
        sequence = self._stream.sequence_of(message.offset)
        told_apart = first is None or (first.same and first.upload_id != claim.upload_id)
        if sequence <= self._through or claim.decision or not told_apart:
            return None
        return taken_of(claim, sequence)

    def _tell(self, messages: Sequence[Received]) -> None:
        told, failed = dict[str, Told](), list[str]()
        for message in messages:
            try:
                receipt = receipt_of(message.value)
            except PoisonError:
                _log.error("poison at %s/%d/%d", *message[:3])
                continue
            row = receipt.row
            if row["status"] == FAILED:
                taken = self._outcomes.taken_in(row["upload_id"])
                if taken is None or taken.number <= row["sequence"]:  # else it was sent again
                    failed.append(row["upload_id"])
            elif row["sequence"] > self._through or row["status"] == DROPPED:
                refusal = self._unpacked(row["upload_id"])
                told[row["upload_id"]] = Told(row, findings_of(receipt), refusal)
        if failed:
            self._outcomes.failed(failed)
        if told:
            self._outcomes.tell(told)

    def _unpacked(self, upload_id: str) -> Refusal | None:
        """Why there are no bytes of an upload."""
        taken = self._outcomes.taken_in(upload_id)
        return taken.refusal if taken else None


def taken_of(claim: Claim, sequence: int) -> Taken:
    """A claim as uploads are known that wait."""
    envelope = claim.envelope
    sender = Sender(
        claim.institution or "", envelope.channel, envelope.mode, claim.name, claim.address
    )
    return Taken(
        sequence, claim.upload_id, claim.received_at, sender, bytes.fromhex(claim.sha256),
        claim.size, "", refusal=claim.refused,
    )  # fmt: skip


class _Readers:
    """The topics that are followed."""

    def __init__(self, cluster: Cluster, stream: Stream, metrics: Metrics) -> None:
        self._stream = stream
        self.intake = Reader(cluster, stream.topic("intake"), behind=metrics.lag)
        self.receipts = Reader(cluster, stream.topic("receipts"), behind=metrics.lag)
        self._next = dict[int, int]()

    def __enter__(self) -> _Readers:
        return self

    def __exit__(self, *_: object) -> None:
        self.intake.close()
        self.receipts.close()

    def begin(self, through: int) -> int:
        """Read from before the first that is not in the tables, and what else may be repeated;
        gives the offset of ``intake``."""
        low, high = self.intake.bounds(0)
        start = max(low, min(through - self._stream.base, high) - REACH)
        self.intake.start_at({0: start})
        self._next = {p: self._start(p, through) for p in range(RECEIPTS)}
        self.receipts.start_at(self._next)
        return start

    def read_receipts(self) -> list[Received]:
        """What is there."""
        messages = self.receipts.read(_MOST, _WAIT_SECONDS)
        self._next |= {message.partition: message.offset + 1 for message in messages}
        return messages

    def ends(self) -> dict[int, int]:
        """By partition, the offset of the next receipt to come. Raises ``BrokerError``."""
        return {p: self.receipts.bounds(p)[1] for p in range(RECEIPTS)}

    def are_beyond(self, ends: Mapping[int, int]) -> bool:
        """Whether all receipts before some offsets are read."""
        return all(self._next[p] >= end for p, end in ends.items())

    def _start(self, partition: int, through: int) -> int:
        """An offset of ``receipts`` before which all is in the tables: one with a receipt that is.

        A recorder that begins again sends receipts again, in order; so what is not in the tables
        comes after any that is, if not only there.
        """
        low, high = self.receipts.bounds(partition)
        back = _STEP_BACK
        while True:
            start = max(low, high - back)
            if start in (low, high):
                return start
            self.receipts.start_at({partition: start})
            first = next(iter(self.receipts.read(1, 10.0)), None)
            if first is not None and _sequence(first) <= through:
                return start
            back *= 4


def _sequence(message: Received) -> int:
    try:
        return int(receipt_of(message.value).row["sequence"])
    except PoisonError:
        return 1 << 62
