"""The recorder: what all partitions came to, barrier by barrier, into the store; and the receipts.

One at a time: the leader of its group, who also holds the store.

    Step 1  a barrier is reached: its rows are staged, in the order of sequences
    Step 2  its receipts are sent, and how far the recorder is
    Step 3  now and then all that is staged is committed, with the offsets to go on from
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day
from functools import partial
from typing import Final

from pipeline.metrics import Metrics
from pipeline.store.layout import Layout
from pipeline.store.store import Store, open_store
from pipeline.stream.broker import END, Cluster, Reader, Received, Sender
from pipeline.stream.gather import Gather, Step
from pipeline.stream.letters import DeadLetters
from pipeline.stream.lowest import Lowest
from pipeline.stream.merging import Part
from pipeline.stream.messages import PoisonError, number_in, unpack
from pipeline.stream.parts import CHECKED, MARK, PART, Checked, checked_of, part_of
from pipeline.stream.progress import tell_progress
from pipeline.stream.receipt_folder import StreamReceipts
from pipeline.stream.receipts import send_receipt
from pipeline.stream.staging import Receipt, Row, stage
from pipeline.stream.standing import records_source, through_source, verdicts_source
from pipeline.stream.topics import Stream, refuse_renewed
from pipeline.taipei import seconds_until

MOST: Final = 1_000
_WAIT_SECONDS: Final = 0.1
_LEADER_SECONDS: Final = 0.5

Item = tuple[Part, int] | Checked
"""What a partition came to, with from where its records would be read again; or the check."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """When to commit: after ``seconds``, or so many ``uploads``, or ``size`` bytes of what comes of
    them; one commit at a time."""

    seconds: float = 60.0
    uploads: int = 20_000
    size: int = 256 << 20
    upkeep: time_of_day | None = None
    """When the tables are compacted and vacuumed every day, by Taipei's clock."""


class Recorder:
    """A candidate for recording; records while it is the leader."""

    def __init__(
        self, cluster: Cluster, stream: Stream, layout: Layout, pace: Pace, metrics: Metrics,
        *, member: str | None = None, receipts: StreamReceipts | None = None,
    ) -> None:  # fmt: skip
        self._metrics, self._receipts = metrics, receipts
        metrics.leads("record", False)
        self._cluster, self._stream, self._layout, self._pace = cluster, stream, layout, pace
        self._leads = False
        self._leader = Reader(
            cluster, stream.topic("progress"), group=stream.topic("record"), member=member,
            taken=self._take, lost=self._lose,
        )  # fmt: skip

    def run(self, going: Callable[[], bool]) -> None:
        """Record while leading, until ``going`` says no.

        Raises ``BrokerError`` and what ``open_store`` and ``Store.commit`` raise.
        """
        with self._leader:
            while going():
                self._leader.read(MOST, _LEADER_SECONDS)
                if self._leads:
                    self._record(lambda: going() and self._still_leads())

    def _still_leads(self) -> bool:
        self._leader.read(MOST, 0)
        return self._leads

    def _take(self, numbers: Sequence[int]) -> Mapping[int, int]:
        self._leads = True
        self._metrics.leads("record", True)
        return dict.fromkeys(numbers, END)  # what is told there is for others

    def _lose(self, _: object) -> None:
        self._leads = False
        self._metrics.leads("record", False)

    def _record(self, going: Callable[[], bool]) -> None:
        patience = self._cluster.session_ms / 1000
        refuse_renewed(self._layout, self._stream)  # nothing is taken from who records another
        with open_store(self._layout.uri, wait_seconds=patience, recording=True) as store:
            refuse_renewed(self._layout, self._stream)
            facts = {"sequence": store.offset(through_source(self._stream))}
            _log.info("recording", extra={"facts": facts})
            upkeep_at = self._next_upkeep()
            with Recording(
                self._cluster, self._stream, store, self._pace, self._metrics, self._receipts
            ) as recording:
                while going() and time.monotonic() < upkeep_at:
                    recording.turn()
                recording.finish()
            if going():
                self._keep_in_shape(store, going)

    def _next_upkeep(self) -> float:
        """When the tables are next due, by the clock of ``time.monotonic``; what was due before
        this one led was another's."""
        if self._pace.upkeep is None:
            return math.inf
        return time.monotonic() + seconds_until(self._pace.upkeep, datetime.now(UTC))

    def _keep_in_shape(self, store: Store, going: Callable[[], bool]) -> None:
        """Compact and vacuum the tables, staying in the group; what comes in waits in Kafka."""
        _log.info("upkeep begins")
        with ThreadPoolExecutor(1, "upkeep") as thread:
            under_way = thread.submit(store.keep_in_shape)
            while not under_way.done():
                going()  # it lives, whether it is to stop or not
                self._leader.read(MOST, _LEADER_SECONDS)
            fewer, removed = under_way.result()
        _log.info("upkeep: %d files fewer, %d removed", fewer, removed)


class Recording:
    """A leader at work on an open store."""

    def __init__(
        self, cluster: Cluster, stream: Stream, store: Store, pace: Pace, metrics: Metrics,
        receipts: StreamReceipts | None = None,
    ) -> None:  # fmt: skip
        self._stream, self._store, self._pace, self._metrics = stream, store, pace, metrics
        self._receipts, self._told = receipts, list[Receipt]()
        if receipts is not None:
            receipts.begin()
        count = stream.partitions + stream.ways
        starts = {at: store.offset(verdicts_source(stream, at)) or 0 for at in range(count)}
        through = store.offset(through_source(stream))
        self._gather = Gather[Item](range(count), stream.after if through is None else through)
        self._lowest = {at: Lowest(start) for at, start in starts.items()}
        self._records = dict[int, int]()
        self._staged, self._size, self._since = list[str](), 0, time.monotonic()
        self._committing: Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, "commit")
        self._sender = Sender(cluster)
        self._letters = DeadLetters(self._sender, stream, metrics)
        self._reader = Reader(cluster, stream.topic("verdicts"), behind=metrics.lag)
        self._reader.start_at(starts)

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self._reader.close()
        self._thread.shutdown()
        if self._receipts is not None:
            self._receipts.close()
        self._metrics.uncommitted(0)  # whoever leads now tells of them

    def turn(self) -> None:
        """Record what is there, waiting shortly if nothing is."""
        for message in self._reader.read(MOST, _WAIT_SECONDS):
            self._note(message)
            self._size += len(message.value)
        steps = list(self._gather.steps())
        for step in steps:
            with self._metrics.stage("record") as uploads:
                uploads |= self._stage(step)
        if steps:
            tell_progress(self._sender, self._stream, self._gather.after)
            self._metrics.recorded(self._gather.after)
            self._metrics.uncommitted(len(self._staged))
            self._sender.flush()
        self._commit_if_due()

    def finish(self) -> None:
        """Commit what is staged."""
        self._settle(self._gather.after)

    def _settle(self, through: int) -> None:
        """Have everything staged committed, which is up to a sequence."""
        self._wait()
        commit = self._begin_commit(through)
        if commit is not None:
            commit()

    def _note(self, message: Received) -> None:
        at, gather, lowest = message.partition, self._gather, self._lowest[message.partition]
        try:
            kind, header, blobs = unpack(message.value)
            if kind == PART:
                part, low = part_of(header, blobs)
                lowest.read(message.offset, part.through)
                gather.add(at, part.through, (part, low))
                gather.mark(at, part.through)
            elif kind == CHECKED:
                sequence, checked = number_in(header, "sequence"), checked_of(header, blobs)
                lowest.read(message.offset, sequence)
                gather.add(at, sequence, checked)
            elif kind == MARK:
                through = number_in(header, "through")
                lowest.read(message.offset, through)
                gather.mark(at, through)
            else:
                raise PoisonError(kind)
        except PoisonError as poison:
            self._letters.poison(message, poison)
            lowest.read(message.offset, 0)

    def _stage(self, step: Step[Item]) -> dict[str, Row]:
        """Stage what a step brings and send its receipts; gives the rows, by upload id."""
        checked, parts, recorded = list[tuple[int, Checked]](), list[Part](), dict[str, Row]()
        if any(isinstance(item, Checked) and item.decision for _, _, item in step.items):
            self._settle(step.after)  # rows are replaced that are in the tables
        for sequence, way, item in step.items:
            if isinstance(item, Checked):
                checked.append((sequence, item))
            else:
                part, self._records[way] = item
                parts.append(part)
        for receipt in stage(self._store, checked, parts):
            send_receipt(self._sender, self._stream, receipt)
            if self._receipts is not None:
                self._told.append(receipt)
            self._metrics.receipted(receipt.row, receipt.findings)
            facts = {name: receipt.row[name] for name in ("upload_id", "sequence", "status")}
            _log.debug("recorded", extra={"facts": facts})
            recorded[receipt.row["upload_id"]] = receipt.row
        self._staged += [one.row["upload_id"] for _, one in checked]
        return recorded

    def _commit_if_due(self) -> None:
        if self._committing is not None and self._committing.done():
            self._wait()
        full = len(self._staged) >= self._pace.uploads or self._size >= self._pace.size
        if full:  # more is not taken before there is room
            self._wait()
        due = time.monotonic() - self._since >= self._pace.seconds
        if (due or full) and self._staged and self._committing is None:
            commit = self._begin_commit(self._gather.after)
            if commit is not None:
                self._committing = self._thread.submit(commit)

    def _begin_commit(self, through: int) -> Callable[[], None] | None:
        """Freeze what is staged, which is up to a sequence; gives what commits it, if anything."""
        finish = self._store.begin_commit(self._offsets(through))
        staged, self._staged, self._size = self._staged, [], 0
        self._since = time.monotonic()
        if finish is None:
            return None
        told, self._told = self._told, []
        return partial(self._commit, finish, staged, through, told)

    def _commit(
        self, finish: Callable[[], int], uploads: Sequence[str], through: int,
        told: Sequence[Receipt],
    ) -> None:  # fmt: skip
        """Commit, and tell of it."""
        publish = self._receipts.prepare(told) if self._receipts and told else None
        began = time.monotonic()
        finish()
        seconds = time.monotonic() - began
        if publish is not None:
            publish()
        self._metrics.committed(seconds, uploads)
        self._metrics.uncommitted(len(self._staged))
        facts = {"uploads": len(uploads), "sequence": through, "seconds": round(seconds, 3)}
        _log.info("committed", extra={"facts": facts})

    def _wait(self) -> None:
        """Until a commit under way is done. Raises what it raised."""
        if self._committing is not None:
            self._committing.result()
            self._committing = None

    def _offsets(self, through: int) -> dict[str, int]:
        """From where to go on after what is staged now, which is up to a sequence."""
        stream = self._stream
        verdicts = {
            verdicts_source(stream, at): lowest.finished(through)
            for at, lowest in self._lowest.items()
        }
        records = {records_source(stream, at): low for at, low in self._records.items()}
        return {through_source(stream): through, **verdicts, **records}
