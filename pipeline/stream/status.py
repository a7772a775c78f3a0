"""Where a stream is, told from Kafka and the tables alone: no worker is asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from pipeline.store.layout import Layout
from pipeline.store.read import Snapshot, last_commit
from pipeline.stream.admin import Member, members_of, positions
from pipeline.stream.broker import Cluster, Reader, Received
from pipeline.stream.letters import Failed, dead_letters, unanswered
from pipeline.stream.losses import Loss, losses
from pipeline.stream.messages import PoisonError, claim_of, number_in, unpack
from pipeline.stream.standing import Standing, standing_of
from pipeline.stream.topics import Stream

STAGES: Final = ("taken", "dispatched", "checked", "merged", "recorded", "committed")
"""What becomes of an upload, in order; each is behind the one before it, or where that is."""

GROUPS: Final = ("dispatch", "validate", "merge", "record")
_READ_BY: Final = {"intake": "dispatch", "uploads": "validate", "records": "merge"}
_STEP_BACK: Final = 16  # messages; eight times as many until one tells
_LOOK_SECONDS: Final = 0.5
_COMMIT_LATE_SECONDS: Final = 900.0  # as the alert NhiUploadCommitOld


@dataclass(frozen=True)
class Place:
    """A partition: what is kept of it, and the offset from which its reader goes on."""

    topic: str
    partition: int
    low: int
    end: int
    at: int

    @property
    def lag(self) -> int:
        """Messages that are not worked off."""
        return max(self.end - max(self.at, self.low), 0)


@dataclass(frozen=True)
class Oldest:
    """The first upload that is not recorded (or not in the tables). ``upload_id`` is ``None`` for a
    claim that nobody can read; ``seconds``: since when it is with Kafka."""

    upload_id: str | None
    seconds: float


@dataclass(frozen=True)
class Status:
    """Where a stream is. ``through``: by stage, the sequence up to which all is done.

    ``stands``: stages at which something waits, and nothing moved while it was looked at.
    ``nobody``: groups without a member that works. ``waiting`` and ``untabled``: the first upload
    that is not recorded, and the first that is in no table. Where something is lost, nothing else
    is looked at.
    """

    stream: Stream
    lost: Sequence[Loss]
    through: Mapping[str, int]
    places: Sequence[Place] = ()
    members: Mapping[str, Sequence[Member]] = field(default_factory=dict)
    waiting: Oldest | None = None
    untabled: Oldest | None = None
    last_commit: datetime | None = None
    poison: int = 0
    failed: int = 0
    unanswered: int = 0
    stands: Sequence[str] = ()

    @property
    def nobody(self) -> list[str]:
        """Groups of which nobody has a partition."""
        there = {group for group, ones in self.members.items() if any(o.partitions for o in ones)}
        return [group for group in GROUPS if group not in there]

    @property
    def moves(self) -> bool:
        """Whether what waits is worked off, and what comes will be."""
        return not self.lost and not self.stands and not self.nobody


def status_of(cluster: Cluster, stream: Stream, layout: Layout, patience: float) -> Status:
    """Where a stream is. Raises ``BrokerError`` and ``StoreUnusableError``.

    ``patience``: seconds after which what waits and has not moved stands.
    """
    standing = standing_of(layout, stream)
    lost = losses(cluster, stream, standing)
    if lost:
        return Status(stream, lost, {"committed": standing.through})
    letters = list(dead_letters(cluster, stream))
    failed = sum(isinstance(one, Failed) for one in letters)
    members = members_of(cluster, map(stream.topic, GROUPS))
    places = _places(cluster, stream, standing)
    through = _through(cluster, stream, standing.through)
    waiting = _oldest(cluster, stream, through["recorded"])
    untabled = _oldest(cluster, stream, through["committed"])
    stands = _standing_still(
        through, lambda: _through(cluster, stream, standing_of(layout, stream).through), patience
    )
    recorded = through["recorded"] > through["committed"]
    if recorded and untabled and untabled.seconds > _COMMIT_LATE_SECONDS + patience:
        stands.append("committed")
    return Status(
        stream, [], through, places, {group: members[stream.topic(group)] for group in GROUPS},
        waiting, untabled, last_commit(Snapshot(layout.uri, ("batches",))),
        len(letters) - failed, failed, len(unanswered(layout.uri, letters)), stands,
    )  # fmt: skip


def _standing_still(
    first: Mapping[str, int], look: Callable[[], Mapping[str, int]], patience: float
) -> list[str]:
    """Stages up to the recorder's that are behind and do not move; returns as soon as all have."""
    behind = [stage for before, stage in pairwise(STAGES[:-1]) if first[stage] < first[before]]
    until = time.monotonic() + patience
    while behind and time.monotonic() < until:
        time.sleep(_LOOK_SECONDS)
        now = look()
        behind = [stage for stage in behind if now[stage] <= first[stage]]
    return behind


def _through(cluster: Cluster, stream: Stream, committed: int) -> dict[str, int]:
    """By stage, the sequence up to which all is done; where a stage is, those before it are."""
    ways = range(stream.partitions, stream.partitions + stream.ways)
    with Reader(cluster, stream.topic("intake")) as reader:
        taken = stream.base + reader.bounds(0)[1]
    found = {
        "committed": committed,
        "recorded": _least(cluster, stream, "progress", range(1)),
        "merged": _least(cluster, stream, "verdicts", range(stream.partitions)),
        "checked": _least(cluster, stream, "verdicts", ways),
        "dispatched": _least(cluster, stream, "uploads", range(stream.ways)),
        "taken": taken,
    }
    reached, through = 0, dict[str, int]()
    for stage in reversed(STAGES):
        reached = through[stage] = max(found[stage], reached)
    return through


def _least(cluster: Cluster, stream: Stream, topic: str, partitions: range) -> int:
    """The sequence up to which every partition says that all is done."""
    with Reader(cluster, stream.topic(topic)) as reader:
        return min(_last_told(reader, number) or stream.after for number in partitions)


def _last_told(reader: Reader, partition: int) -> int:
    """The sequence that the last mark, part or progress of a partition tells; 0 for none."""
    low, end = reader.bounds(partition)
    start, back = end, _STEP_BACK
    while start > low:
        start, before = max(low, end - back), start
        told = [_told(message) for message in reader.span(partition, start, before)]
        if any(told):
            return max(told)
        back *= 8
    return 0


def _told(message: Received) -> int:
    try:
        return number_in(unpack(message.value)[1], "through")
    except PoisonError:  # an upload's own message, or one of strangers
        return 0


def _places(cluster: Cluster, stream: Stream, standing: Standing) -> list[Place]:
    """What is read of the stream's topics, by whom it is read."""
    found = list[Place]()
    for topic, count in stream.topics.items():
        name = topic.removeprefix(stream.prefix)
        if name in _READ_BY:
            at = positions(cluster, stream.topic(_READ_BY[name]), topic, count)
        elif name == "verdicts":
            at = dict(standing.verdicts)
        else:
            continue
        with Reader(cluster, topic) as reader:
            for number in range(count):
                found.append(Place(name, number, *reader.bounds(number), at[number]))
    return found


def _oldest(cluster: Cluster, stream: Stream, through: int) -> Oldest | None:
    """The first claim behind a sequence."""
    with Reader(cluster, stream.topic("intake")) as reader:
        low, end = reader.bounds(0)
        at = max(stream.offset_behind(through), low)
        message = next(reader.span(0, at, min(at + 1, end)), None)
    if message is None:
        return None
    seconds = max(time.time() - message.at, 0.0)
    try:
        return Oldest(claim_of(message.value).upload_id, seconds)
    except PoisonError:
        return Oldest(None, seconds)
