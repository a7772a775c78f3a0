"""EDGE: what a running process counts, in one registry, as Prometheus reads it.

The names are those of the contract, with the prefix ``nhi_upload_``. A service and the workers of a
stream count the same things under the same names; of what a process never does it tells zero.
Histograms carry the id of an upload as exemplar, of one that was there. A stage that is timed is
told to the traces of its uploads, too.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import choose_encoder

from pipeline import traces
from pipeline.core import Processed
from pipeline.outcome import Verdict
from pipeline.traces import NOBODY, NOTHING_KNOWN, Stage, Uploads
from pipeline.version import ENGINE

Job = Literal["dispatch", "validate", "merge", "record"]
Letter = Literal["poison", "failed"]

_PREFIX: Final = "nhi_upload"
_SECONDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 600, 3600,
)  # fmt: skip


@dataclass(frozen=True)
class Backlog:
    """What waits to be settled: how many uploads, their bytes, the age of the oldest in seconds."""

    uploads: int
    bytes: int
    oldest_seconds: float


NO_BACKLOG: Final = Backlog(0, 0, 0.0)


class Metrics:
    """Counters of one process. Any thread may count."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.last_commit: datetime | None = None
        counter, histogram = self._counter, self._histogram
        self._uploads = counter(
            "uploads", "Uploads that were answered.", ["channel", "mode", "status"]
        )
        self._records = counter("records", "Records by verdict.", ["verdict"])
        self._findings = counter("findings", "Findings by code.", ["code"])
        self._bytes = counter("bytes", "Bytes taken in, after unpacking.")
        self._fallbacks = counter(
            "parser_fallback", "Uploads that the fast parser left to lxml.", ["reason"]
        )
        self._failed = counter("uploads_failed", "Uploads that we failed on; they are kept.")
        self._stages = histogram("stage_seconds", "Time spent in a stage.", ["stage"])
        self._commits = histogram("commit_seconds", "Time of a commit to the tables.")
        self._last_commit = self._gauge(
            "last_commit_timestamp_seconds", "When the tables were last committed to."
        )
        self._waiting = {
            name: self._gauge(f"waiting_{name}", f"Of what waits to be settled: {name}.")
            for name in Backlog.__dataclass_fields__
        }
        self._count_streams()
        ProcessCollector(registry=self.registry)
        self._gauge("info", "The engine's version.", ["engine"]).labels(ENGINE).set(1)

    def _count_streams(self) -> None:
        self._lag = self._gauge(
            "consumer_lag", "Messages of a partition not read yet.", ["topic", "partition"]
        )
        self._lags = dict[str, set[int]]()
        self._letters = self._counter(
            "dead_letters", "Messages sent to the dead letters.", ["reason"]
        )
        self._faults = self._counter("job_faults", "Jobs that were begun anew.", ["role"])
        for reason in get_args(Letter):  # a counter that is not told before its first step hides it
            self._letters.labels(reason)
        for job in get_args(Job):
            self._faults.labels(job)
        self._leads = self._gauge("leads", "Whether this process leads (1) or not.", ["role"])
        self._dispatched = self._gauge("dispatched_sequence", "Sequence up to which is dispatched.")
        self._recorded = self._gauge("recorded_sequence", "Sequence up to which is recorded.")
        self._uncommitted = self._gauge("uncommitted_uploads", "Recorded, but in no table yet.")
        self._receipts = self._histogram(
            "receipt_seconds", "From the moment of receipt to the receipt."
        )

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[dict[str, Mapping[str, Any]]]:
        """Time what is done here as a stage. Gives where to put the uploads it is done to, by id,
        with what is known of each."""
        began, uploads = time.perf_counter(), dict[str, Mapping[str, Any]]()
        try:
            yield uploads
        finally:
            self.spent(stage, time.perf_counter() - began, uploads)

    def spent(self, stage: Stage, seconds: float, uploads: Uploads = NOBODY) -> None:
        """A stage that was done to these uploads ended now, and took so long."""
        self._stages.labels(stage).observe(seconds, _exemplar(next(iter(uploads), None)))
        traces.tell(stage, uploads, seconds)

    def taken(self, sizes: Iterable[int]) -> None:
        """Uploads of these sizes in bytes got a ticket."""
        self._bytes.inc(sum(sizes))

    def answered(self, rows: Iterable[dict[str, Any]]) -> None:
        """Rows of ``uploads`` were decided."""
        keys = Tally((row["channel"], row["mode"], row["status"]) for row in rows)
        for key, times in keys.items():
            self._uploads.labels(*key).inc(times)

    def processed(self, processed: Processed) -> None:
        """Records, findings and parsers of uploads that were processed together."""
        counts = np.bincount(processed.verdict, minlength=len(Verdict)).tolist()
        for verdict in Verdict:
            self._records.labels(verdict.name.lower()).inc(counts[verdict])
        rules, times = np.unique(processed.findings.rule, return_counts=True)
        for rule, count in zip(rules.tolist(), times.tolist(), strict=True):
            self._findings.labels(processed.plan.rules[rule].code).inc(count)
        self.parsed(processed)

    def parsed(self, processed: Processed) -> None:
        """How uploads were read."""
        if slow := processed.parsers.count("lxml"):
            self._fallbacks.labels("declined").inc(slow)

    def receipted(self, row: Mapping[str, Any], findings: Iterable[Mapping[str, Any]]) -> None:
        """An upload of a stream got its receipt: its row of ``uploads``, those of ``findings``."""
        self._uploads.labels(row["channel"], row["mode"], row["status"]).inc()
        warned, rejected = row["records_warned"], row["records_rejected"]
        for verdict, count in (
            (Verdict.ACCEPTED, row["records_accepted"] - warned),
            (Verdict.WARNED, warned),
            (Verdict.REJECTED, rejected),
        ):
            self._records.labels(verdict.name.lower()).inc(count)
        for code, times in Tally(found["code"] for found in findings).items():
            self._findings.labels(code).inc(times)
        seconds = (datetime.now(UTC) - row["received_at"]).total_seconds()
        if seconds >= 0:  # else somebody set the moment of receipt
            self._receipts.observe(seconds, _exemplar(row["upload_id"]))

    def failed(self, uploads: int) -> None:
        """We failed on so many uploads."""
        self._failed.inc(uploads)

    def committed(self, seconds: float, upload_ids: Iterable[str]) -> None:
        """A commit of these uploads that took so long has ended now."""
        self.spent("commit", seconds, dict.fromkeys(upload_ids, NOTHING_KNOWN))
        self._commits.observe(seconds)
        self.last_commit = datetime.now(UTC)
        self._last_commit.set(self.last_commit.timestamp())

    def lag(self, topic: str, behind: Mapping[int, int]) -> None:
        """Messages not read yet of a topic, by partition this process reads now."""
        for partition in self._lags.get(topic, set()) - behind.keys():
            self._lag.remove(topic, str(partition))
        for partition, messages in behind.items():
            self._lag.labels(topic, str(partition)).set(messages)
        self._lags[topic] = set(behind)

    def letter(self, reason: Letter) -> None:
        """A message went to the dead letters."""
        self._letters.labels(reason).inc()

    def began_anew(self, job: Job) -> None:
        """A job ended with a fault that passes, and is begun anew."""
        self._faults.labels(job).inc()

    def leads(self, job: Job, leads: bool) -> None:
        """Whether this process leads."""
        self._leads.labels(job).set(leads)

    def dispatched(self, through: int) -> None:
        """All up to a sequence is on its way."""
        self._dispatched.set(through)

    def recorded(self, through: int) -> None:
        """All up to a sequence is recorded."""
        self._recorded.set(through)

    def uncommitted(self, uploads: int) -> None:
        """So many uploads are recorded and in no table yet."""
        self._uncommitted.set(uploads)

    def watch_disk(self, folder: Path) -> None:
        """Tell the room on the disk of a folder, which may be made later."""

        def usage() -> tuple[int, int]:
            made = next(one for one in (folder, *folder.parents) if one.exists())
            at = shutil.disk_usage(made)
            return at.free, at.total

        free = self._gauge("store_free_bytes", "Free bytes of the store's disk.")
        free.set_function(lambda: usage()[0])
        size = self._gauge("store_size_bytes", "Size of the store's disk.")
        size.set_function(lambda: usage()[1])

    def exposition(self, backlog: Backlog = NO_BACKLOG, accept: str = "") -> bytes:
        """All of them as text, with what waits now, in the form that ``accept`` asks for.

        Exemplars are told in the form of OpenMetrics only.
        """
        for name, gauge in self._waiting.items():
            gauge.set(getattr(backlog, name))
        write, _ = choose_encoder(accept)
        return write(self.registry)

    def _counter(self, name: str, says: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"{_PREFIX}_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str, labels: Iterable[str] = ()) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", says, labels, registry=self.registry)

    def _histogram(self, name: str, says: str, labels: Iterable[str] = ()) -> Histogram:
        return Histogram(
            f"{_PREFIX}_{name}", says, labels, buckets=_SECONDS, registry=self.registry
        )


def content_type(accept: str) -> str:
    """The media type of an exposition, by what was asked for."""
    return choose_encoder(accept)[1]


def _exemplar(upload_id: str | None) -> dict[str, str] | None:
    if upload_id is None:
        return None
    trace = traces.trace_of(upload_id)
    return {"upload_id": upload_id} | ({"trace_id": trace} if trace else {})
