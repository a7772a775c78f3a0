"""What a run came to: counts for the whole, and the uploads that someone must look at."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from pipeline.core import Processed
from pipeline.outcome import Counts, Refusal
from pipeline.settle import Settled, SettledPart

MOST_LISTED: Final = 1_000  # of refusals, failures and redeliveries each; the counts go on


@dataclass
class RunSummary:
    """``refusals`` are (name, refusal), ``failures`` (name, what went wrong with us),
    ``redeliveries`` (name, upload id of the first receipt), ``holds`` (name, upload id); at most
    ``MOST_LISTED`` each.

    ``codes`` counts findings by NHI error code. ``bytes_taken`` is after unpacking.
    """

    uploads: int = 0
    done: int = 0
    refused: int = 0
    held: int = 0
    redelivered: int = 0
    failed: int = 0
    bytes_taken: int = 0
    seconds: float = 0.0
    counts: Counts = field(default_factory=Counts)
    codes: Counter[str] = field(default_factory=Counter)
    refusals: list[tuple[str, Refusal]] = field(default_factory=list)
    failures: list[tuple[str, str]] = field(default_factory=list)
    redeliveries: list[tuple[str, str]] = field(default_factory=list)
    holds: list[tuple[str, str]] = field(default_factory=list)

    def add(self, settled: Settled) -> None:
        """What became of a batch."""
        for part in settled.parts:
            self._add_part(part)
        for one, refusal, _ in settled.refused:
            self.add_refused(one.name, refusal)
        for place, error in settled.failed.items():
            self.add_failed(settled.intake.uploads[place].name, error)
        for name, upload_id in settled.redelivered:
            self.add_redelivered(name, upload_id)
        self.bytes_taken += settled.intake.size

    def _add_part(self, part: SettledPart) -> None:
        processed = part.processed
        for place, one in enumerate(part.uploads):
            refusal = processed.refusals[place]
            if refusal:
                self.add_refused(one.name, refusal)
            elif place in processed.held:
                self.add_held(one.name, one.upload_id)
            else:
                self.add_done(processed.counts(place))
        self.add_findings(processed)

    def add_done(self, counts: Counts) -> None:
        """An upload that was taken."""
        self.uploads += 1
        self.done += 1
        self.counts = Counts(
            **{name: value + getattr(counts, name) for name, value in vars(self.counts).items()}
        )

    def add_findings(self, processed: Processed) -> None:
        """The findings of a batch, by code."""
        rules, count = np.unique(processed.findings.rule, return_counts=True)
        for rule, times in zip(rules.tolist(), count.tolist(), strict=True):
            self.codes[processed.plan.rules[rule].code] += times

    def add_refused(self, name: str, refusal: Refusal) -> None:
        """An upload that could not be taken."""
        self.uploads += 1
        self.refused += 1
        if len(self.refusals) < MOST_LISTED:
            self.refusals.append((name, refusal))

    def add_held(self, name: str, upload_id: str) -> None:
        """An upload that waits for confirmation, since it would delete much."""
        self.uploads += 1
        self.held += 1
        if len(self.holds) < MOST_LISTED:
            self.holds.append((name, upload_id))

    def add_failed(self, name: str, error: Exception) -> None:
        """An upload that we failed on: not answered, to be sent again."""
        self.uploads += 1
        self.failed += 1
        if len(self.failures) < MOST_LISTED:
            self.failures.append((name, f"{type(error).__name__}: {error}"))

    def add_redelivered(self, name: str, upload_id: str) -> None:
        """An upload that was taken before."""
        self.uploads += 1
        self.redelivered += 1
        if len(self.redeliveries) < MOST_LISTED:
            self.redeliveries.append((name, upload_id))
