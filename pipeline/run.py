"""The main job: sources → archive, verdicts, merge, committed tables, receipts.

Uploads are processed in batches and committed in larger groups. Only one batch at a time is
decided, in the order of receipt; ``workers`` batches are parsed and validated ahead of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from pipeline.batches import Checked, Checker, Intake, in_batches, plans_of
from pipeline.engines.pool import ahead
from pipeline.ingest.ingest import find_files, read_uploads
from pipeline.ingest.unpack import Payload
from pipeline.intake.recovery import open_settled
from pipeline.limits import LIMITS, Limits
from pipeline.merge.merge import MergePolicy
from pipeline.outcome import Channel, Envelope, Mode
from pipeline.parse.parse import ParserChoice
from pipeline.reference.kept import read_snapshot
from pipeline.run_summary import RunSummary
from pipeline.settle import Publish, Receipts, Settled, Settler
from pipeline.store.layout import layout_of
from pipeline.store.redelivery import FirstReceipt
from pipeline.store.store import WAIT_SECONDS, Store
from pipeline.stream.topics import refuse_stream
from pipeline.upload_ids import new_upload_id
from rules.plan import Plan

Progress = Callable[[RunSummary], None]


@dataclass(frozen=True)
class RunOptions:
    """How to run. ``received_at`` (aware) stands for the clock; ``institution`` for a credential.

    ``batch_bytes``/``batch_uploads`` bound what is processed together, ``commit_bytes``/
    ``commit_uploads`` what is committed together; with the largest upload they bound memory.
    ``workers`` is how many batches are processed ahead of the one being settled.
    """

    mode: Mode = "official"
    channel: Channel = "web-api"
    received_at: datetime | None = None
    institution: str | None = None
    workers: int = 1
    parser: ParserChoice = "auto"
    utf8: bool = False
    limits: Limits = LIMITS
    policy: MergePolicy = field(default_factory=MergePolicy)
    batch_bytes: int = 32 << 20
    batch_uploads: int = 4_000
    commit_bytes: int = 256 << 20
    commit_uploads: int = 40_000
    wait_seconds: float = WAIT_SECONDS


DEFAULTS = RunOptions()


def run(
    sources: Sequence[str | Path],
    store_uri: str | Path,
    plan: Plan,
    options: RunOptions = DEFAULTS,
    *,
    progress: Progress | None = None,
    receipts: Receipts | None = None,
    waiting: Callable[[str], None] | None = None,
) -> RunSummary:
    """Take in every upload of the sources and commit what comes of them.

    ``plan`` is that of format 2.0; what comes in 1.0 is judged by the catalogue's plan of 1.0.
    ``receipts`` prepares the receipts of a batch and gives what makes them visible, which is
    called once the outcome is durable. ``progress`` is called after each batch, ``waiting`` with a
    message while another process holds the store. Raises ``SourceMissingError`` for wrong usage
    and ``PipelineError`` for faults of the machine; the store then is as before or after a commit.
    """
    started = time.monotonic()
    summary = RunSummary()
    files = find_files(sources)
    first = list(next(zip(files), ()))  # a missing source is told before a store is made
    uploads = (u for file in chain(first, files) for u in read_uploads(file, options.limits))
    refuse_stream(layout_of(store_uri))
    with open_settled(
        store_uri, plan, utf8=options.utf8, limits=options.limits, policy=options.policy,
        wait_seconds=options.wait_seconds, waiting=waiting,
    ) as store:  # fmt: skip
        if receipts:
            receipts.begin()
        checker = Checker(
            plans_of(plan), options.parser, options.utf8, options.limits,
            read_snapshot(layout_of(store_uri)),
        )  # fmt: skip
        settling = _Settling(
            store, Settler(store, plan, options.policy), summary, _Publishing(receipts, plan)
        )
        for _ in _work(uploads, checker, settling, options):
            summary.seconds = time.monotonic() - started
            if progress:
                progress(summary)
    summary.seconds = time.monotonic() - started
    return summary


class _Publishing:
    """Receipts of what was settled, to be seen once it is committed."""

    def __init__(self, receipts: Receipts | None, plan: Plan) -> None:
        self._receipts = receipts
        self._plan = plan
        self._publish: list[Publish] = []

    def prepare(self, settled: Settled) -> None:
        """Write them out of sight."""
        if self._receipts is None:
            return
        for part in settled.parts:
            self._publish.append(self._receipts.prepare(part.processed, part.uploads))
        if settled.refused:
            refused = [(one, refusal) for one, refusal, _ in settled.refused]
            self._publish.append(self._receipts.prepare_refused(refused, self._plan))

    def publish(self) -> None:
        """What they tell is durable."""
        for publish in self._publish:
            publish()
        self._publish.clear()


@dataclass(frozen=True)
class _Settling:
    """Where batches are settled."""

    store: Store
    settler: Settler
    summary: RunSummary
    publishing: _Publishing

    def settle(self, checked: Checked) -> None:
        settled = self.settler.settle(checked)
        self.publishing.prepare(settled)
        self.summary.add(settled)

    def commit(self) -> None:
        """Make what was settled durable, then let its receipts be seen."""
        self.store.commit()
        self.publishing.publish()


def _work(
    uploads: Iterable[Payload], checker: Checker, settling: _Settling, options: RunOptions
) -> Iterator[None]:
    """Batch by batch: process ahead, settle in order, commit when there is enough."""
    under_way: set[tuple[str, str]] = set()
    intakes = (
        _intake(batch, settling.store, under_way, options)
        for batch in in_batches(uploads, options.batch_bytes, options.batch_uploads)
    )
    size = count = 0
    for checked in ahead(checker.check, intakes, options.workers):
        settling.settle(checked)
        under_way -= {_key(upload) for upload in checked.intake.uploads}
        size += checked.intake.size
        count += len(checked.intake.uploads)
        if size >= options.commit_bytes or count >= options.commit_uploads:
            settling.commit()
            size = count = 0
        yield
    settling.commit()
    yield


def _intake(
    batch: list[Payload], store: Store, under_way: set[tuple[str, str]], options: RunOptions
) -> Intake:
    """Take uploads in, and find those that were taken before."""
    keys = [_key(upload) for upload in batch]
    archived = [
        key
        for key, upload in zip(keys, batch, strict=True)
        if upload.refusal
        or store.redeliveries.recent(options.mode, key)
        or store.archive.place(upload.sha256)
    ]
    first = store.redeliveries.find(options.mode, archived, options.institution)
    before: dict[int, FirstReceipt | None] = {}
    for place, key in enumerate(keys):
        if key in first:
            before[place] = first[key]
        elif key in under_way:
            before[place] = None
        under_way.add(key)
    now = options.received_at or datetime.now(UTC)
    envelopes = [
        Envelope(now, options.institution, options.channel, options.mode, upload.name)
        for upload in batch
    ]
    return Intake(batch, envelopes, [new_upload_id(now) for _ in batch], before)


def _key(upload: Payload) -> tuple[str, str]:
    """What a redelivery is known by: file name and bytes."""
    return upload.name, upload.sha256.hex()
