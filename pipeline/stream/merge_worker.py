"""``worker merge``: the partitions of records that the group gives to this process."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pipeline.merge.merge import MergePolicy
from pipeline.metrics import Metrics
from pipeline.store.layout import Layout
from pipeline.stream.broker import Cluster, Reader, Received, Sender
from pipeline.stream.checking import SHARE
from pipeline.stream.holds import Holds
from pipeline.stream.letters import DeadLetters
from pipeline.stream.merging import Plans
from pipeline.stream.messages import PoisonError, number_in, unpack
from pipeline.stream.partition import Made, Partition
from pipeline.stream.parts import MARK, pack_part
from pipeline.stream.routing import Share
from pipeline.stream.standing import standing_of
from pipeline.stream.states import PartitionStates, folder_of, forget_others
from pipeline.stream.topics import Stream

MOST: Final = 1_000
SAVE_SECONDS: Final = 2.0
_WAIT_SECONDS: Final = 0.2
_ASKING_SECONDS: Final = 0.01

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Merging:
    """How records are merged. ``folder`` is this worker's own, for its states."""

    plans: Plans
    policy: MergePolicy
    buckets: int
    folder: Path


class MergeWorker:
    """A member of the group that merges."""

    def __init__(
        self, cluster: Cluster, stream: Stream, layout: Layout, merging: Merging, metrics: Metrics,
        *, member: str | None = None,
    ) -> None:  # fmt: skip
        self._stream, self._metrics = stream, metrics
        self._layout = layout
        self._merging = merging
        self._partitions: dict[int, Partition] = {}
        self._merged = dict[str, Mapping[str, Any]]()
        self._saved = time.monotonic()
        forget_others(merging.folder, stream)
        self._sender = Sender(cluster)
        self._letters = DeadLetters(self._sender, stream, metrics)
        self._holds = Holds(cluster, stream, merging.policy)
        self._reader = Reader(
            cluster, stream.topic("records"), group=stream.topic("merge"), member=member,
            taken=self._take, lost=self._lose, behind=metrics.lag,
        )  # fmt: skip

    def run(self, going: Callable[[], bool]) -> None:
        """Merge until ``going`` says no; then save. Raises ``BrokerError``."""
        with self._holds, self._reader:
            try:
                while going():
                    self.turn()
                self._save()
            finally:
                self._lose(list(self._partitions))

    def turn(self) -> None:
        """Merge what is there, waiting shortly if nothing is.

        Step 1  what came is given to its partition, and what barriers let through is merged
        Step 2  what came of that is sent
        Step 3  once the cluster has it, the states may be saved
        """
        messages = self._reader.read(MOST, _ASKING_SECONDS if self._asking else _WAIT_SECONDS)
        if messages or self._asking:
            with self._metrics.stage("merge") as self._merged:
                self._merge(messages)
        if time.monotonic() - self._saved > SAVE_SECONDS:
            self._save()

    @property
    def _asking(self) -> bool:
        return any(one.question for one in self._partitions.values())

    def _merge(self, messages: Sequence[Received]) -> None:
        asking = self._asking
        for message in messages:
            self._give(message)
        sent = False
        for partition in list(self._partitions.values()):
            for made in partition.made():
                self._send(partition, made)
                sent = True
            self._ask(partition)
        if asking or self._asking:
            self._sender.flush()
            self._holds.read()
            for partition in list(self._partitions.values()):
                sent |= self._answer(partition)
        if sent:
            self._sender.flush()

    def _give(self, message: Received) -> None:
        partition = self._partitions.get(message.partition)
        if partition is None:  # it went to somebody else
            return
        try:
            kind, header, blobs = unpack(message.value)
            if kind == MARK:
                way = number_in(header, "way", self._stream.ways)
                partition.mark(message.offset, way, number_in(header, "through"))
            elif kind == SHARE:
                sequence, share = number_in(header, "sequence"), Share.of(header, blobs)
                way = self._stream.way_of(sequence)
                partition.share(message.offset, way, sequence, share)
            else:
                raise PoisonError(kind)
        except PoisonError as poison:
            self._letters.poison(message, poison)
            partition.skip(message.offset)

    def _ask(self, partition: Partition) -> None:
        if partition.question is not None and not partition.asked:
            self._holds.ask(self._sender, partition.number, partition.question)
            partition.asked = True

    def _answer(self, partition: Partition) -> bool:
        """Go on where all have counted; whether anything was sent."""
        if partition.question is None:
            return False
        answer = self._holds.answer(partition.question.sequence)
        if answer is None:
            return False
        for made in partition.answered(answer[0]):
            self._send(partition, made)
        self._ask(partition)
        return True

    def _send(self, partition: Partition, made: Made) -> None:
        topic = self._stream.topic("verdicts")
        self._sender.send(topic, partition.number, pack_part(made.part, made.low))
        self._merged |= {claim.upload_id: vars(claim) for claim in made.claims.values()}
        for sequence in made.part.failed:
            claim, why = made.claims[sequence], "records that don't parse alone"
            self._letters.failed(claim, sequence, why, partly=True)

    def _save(self) -> None:
        """What was sent is with the cluster: let the states last."""
        self._sender.flush()
        for partition in self._partitions.values():
            partition.save()
        self._reader.done({n: partition.low for n, partition in self._partitions.items()})
        self._saved = time.monotonic()

    def _take(self, numbers: Sequence[int]) -> Mapping[int, int]:
        """Open the states of partitions that came; gives from where to read each."""
        standing, starts = standing_of(self._layout, self._stream), dict[int, int]()
        merging = self._merging
        for number in numbers:
            folder = merging.folder / folder_of(self._stream, number)
            states = PartitionStates(
                folder, self._layout, self._stream, number, merging.buckets, standing
            )
            self._partitions[number] = Partition(
                number, self._stream, states, merging.plans, merging.policy, merging.buckets
            )
            starts[number] = states.low
            facts = {"partition": number, "sequence": states.after}
            _log.info("merging a partition", extra={"facts": facts})
        return starts

    def _lose(self, numbers: Iterable[int]) -> None:
        """Somebody else has these now, or nobody."""
        for number in numbers:
            partition = self._partitions.pop(number, None)
            if partition is not None:
                partition.close()
