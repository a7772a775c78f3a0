"""What all partitions count of uploads that would delete much: asked here, answered here."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import Self

from pipeline.merge.merge import MergePolicy
from pipeline.stream.broker import BEGINNING, Cluster, Reader, Sender
from pipeline.stream.merging import Question, TooMany, held_by
from pipeline.stream.messages import PoisonError, number_in, pack, unpack
from pipeline.stream.topics import Stream

_QUESTION = "question"

_log = logging.getLogger(__name__)


class Holds:
    """Follows the topic ``holds`` from its beginning."""

    def __init__(self, cluster: Cluster, stream: Stream, policy: MergePolicy) -> None:
        self._stream = stream
        self._policy = policy
        self._asked = defaultdict[int, dict[int, Question]](dict)
        self._reader = Reader(cluster, stream.topic("holds"))
        self._reader.start_at({0: BEGINNING})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()

    def ask(self, sender: Sender, partition: int, question: Question) -> None:
        """Tell what a partition counts."""
        header = {
            "partition": partition, "sequence": question.sequence,
            "deletes": list(question.deletes.items()), "live": list(question.live.items()),
        }  # fmt: skip
        sender.send(self._stream.topic("holds"), 0, pack(_QUESTION, header))

    def read(self) -> None:
        """Take note of what has been counted."""
        while messages := self._reader.read(1_000, 0):
            for message in messages:
                try:
                    _, header, _ = unpack(message.value)
                    question = Question(
                        header["sequence"], dict(header["deletes"]), dict(header["live"])
                    )
                    partition = number_in(header, "partition", self._stream.partitions)
                    self._asked[question.sequence].setdefault(partition, question)
                except (PoisonError, KeyError, TypeError, ValueError):
                    _log.error("poison at %s/0/%d", message.topic, message.offset)

    def answer(self, sequence: int) -> tuple[TooMany | None] | None:
        """Why an upload is held, or that it is not; ``None`` while somebody has yet to count."""
        asked = self._asked[sequence]
        if len(asked) < self._stream.partitions:
            return None
        return (held_by(list(asked.values()), self._policy),)
