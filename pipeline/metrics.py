"""EDGE: what a running service counts, in one registry, as Prometheus reads it.

The names are those of the contract, with the prefix ``nhi_upload_``.
"""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

import numpy as np
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)

from pipeline.core import Processed
from pipeline.outcome import Verdict

Stage = Literal["take", "wait", "check", "merge", "commit"]

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
_PREFIX: Final = "nhi_upload"
_SECONDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120,
)  # fmt: skip


@dataclass(frozen=True)
class Waits:
    """What waits to be settled: how many uploads, their bytes, the age of the oldest in seconds."""

    uploads: int
    bytes: int
    oldest_seconds: float


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
            for name in Waits.__dataclass_fields__
        }

    @contextmanager
    def stage(self, stage: Stage) -> Iterator[None]:
        """Time what is done here as a stage."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.spent(stage, time.perf_counter() - began)

    def spent(self, stage: Stage, seconds: float) -> None:
        """A stage took so long."""
        self._stages.labels(stage).observe(seconds)

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
        if slow := processed.parsers.count("lxml"):
            self._fallbacks.labels("declined").inc(slow)

    def failed(self, uploads: int) -> None:
        """We failed on so many uploads."""
        self._failed.inc(uploads)

    def committed(self, seconds: float) -> None:
        """A commit that took so long has ended now."""
        self.spent("commit", seconds)
        self._commits.observe(seconds)
        self.last_commit = datetime.now(UTC)
        self._last_commit.set(self.last_commit.timestamp())

    def exposition(self, waits: Waits) -> bytes:
        """All of them as text, with what waits now."""
        for name, gauge in self._waiting.items():
            gauge.set(getattr(waits, name))
        return generate_latest(self.registry)

    def _counter(self, name: str, says: str, labels: Iterable[str] = ()) -> Counter:
        return Counter(f"{_PREFIX}_{name}", says, labels, registry=self.registry)

    def _gauge(self, name: str, says: str) -> Gauge:
        return Gauge(f"{_PREFIX}_{name}", says, registry=self.registry)

    def _histogram(self, name: str, says: str, labels: Iterable[str] = ()) -> Histogram:
        return Histogram(
            f"{_PREFIX}_{name}", says, labels, buckets=_SECONDS, registry=self.registry
        )
