"""One partition of ``worker merge``: shares and marks in, parts out, in the order of sequences."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, replace

from pipeline.merge.merge import MergePolicy
from pipeline.stream.gather import Gather, Step
from pipeline.stream.lowest import Lowest
from pipeline.stream.merging import Part, Plans, Question, TooMany, merge_step
from pipeline.stream.messages import Claim
from pipeline.stream.routing import Share
from pipeline.stream.states import PartitionStates
from pipeline.stream.topics import Stream
from schemas.tables import track_of
from schemas.versions import versions


@dataclass(frozen=True)
class Made:
    """A part to be sent, and from where the records would be read again after it."""

    part: Part
    low: int
    claims: Mapping[int, Claim]
    """Of the uploads that had records here, by sequence."""


class Partition:
    """What a worker knows of one partition. For one thread."""

    def __init__(
        self, number: int, stream: Stream, states: PartitionStates, plans: Plans,
        policy: MergePolicy, buckets: int,
    ) -> None:  # fmt: skip
        self.number = number
        self._states = states
        self._plans, self._policy, self._buckets = plans, policy, buckets
        self._gather = Gather[Share](range(stream.ways), states.after)
        self._lowest = Lowest(states.low)
        self._merging: Generator[Question, TooMany | None, Part] | None = None
        self._claims: dict[int, Claim] = {}
        self.question: Question | None = None
        """What must be answered before it goes on."""
        self.asked = False
        """Whether the question has been sent."""
        self._at = (states.low, states.after)

    def share(self, offset: int, way: int, sequence: int, share: Share) -> None:
        """Records to be merged."""
        self._lowest.read(offset, sequence)
        self._gather.add(way, sequence, share)

    def mark(self, offset: int, way: int, through: int) -> None:
        """A way is through to a sequence."""
        self._lowest.read(offset, through)
        self._gather.mark(way, through)

    def skip(self, offset: int) -> None:
        """A message that nobody can read."""
        self._lowest.read(offset, 0)

    @property
    def low(self) -> int:
        """From where the records would be read again now."""
        return self._at[0]

    @property
    def waiting(self) -> int:
        """Shares that no barrier lets through yet."""
        return self._gather.waiting

    def made(self) -> Iterator[Made]:
        """What comes of all barriers that are reached, up to the next question."""
        while self.question is None:
            if self._merging is None:
                step = next(self._gather.steps(), None)
                if step is None:
                    return
                self._claims = {sequence: share.claim for sequence, _, share in step.items}
                self._merging = merge_step(
                    self._of_states_behind(step), self._states, self._plans, self._policy,
                    self._buckets,
                )  # fmt: skip
            yield from self._go_on(None)

    def answered(self, answer: TooMany | None) -> Iterator[Made]:
        """What comes of the step that asked."""
        self.question, self.asked = None, False
        yield from self._go_on(answer)
        yield from self.made()

    def save(self) -> None:
        """Make the states last, between steps. What was made is with the cluster."""
        if self._merging is None:
            self._states.save(*self._at)

    def close(self) -> None:
        """Let go of the states."""
        self._states.close()

    def _go_on(self, answer: TooMany | None) -> Iterator[Made]:
        assert self._merging is not None  # noqa: S101
        try:
            self.question = self._merging.send(answer)
        except StopIteration as done:
            self._merging = None
            part: Part = done.value
            low = self._lowest.finished(part.through)
            self._at = (low, part.through)
            if part.through > self._states.sent:
                yield Made(part, low, self._claims)

    def _of_states_behind(self, step: Step[Share]) -> Step[Share]:
        """A step without what a state has merged before: states are saved one after the other."""
        if step.through > self._states.sent:
            return step
        items = tuple(item for item in step.items if self._behind(item[2], step.through))
        return replace(step, items=items)

    def _behind(self, share: Share, through: int) -> bool:
        track = track_of(versions()[share.version].layout, share.claim.envelope.mode)
        return self._states.behind(track, through)
