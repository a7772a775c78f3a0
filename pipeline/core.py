"""PURE: bytes and envelopes in, verdicts and findings out. Nothing here reads a clock or a file.

``process(payload, envelope, plan)`` is decode → parse → validate. ``process_many`` does the same
for many uploads at the cost of one; ``process`` is the case of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch
from pipeline.outcome import Counts, Envelope, Findings, Refusal
from rules.plan import Plan

ParserChoice = Literal["auto", "fast", "lxml"]


@dataclass(frozen=True)
class Processed:
    """The outcome of several uploads, as columns. Index ``i`` is the upload's place in the input.

    ``envelopes`` have their institution filled in where it could be known. ``verdict`` is a
    ``Verdict`` per record of ``batch``, ``order_verdict`` per order. A refused upload has no
    records. ``parsers`` says which way each took ("fast" or "lxml"), ``encodings`` "big5"/"utf-8".
    """

    plan: Plan
    envelopes: tuple[Envelope, ...]
    batch: Batch
    refusals: tuple[Refusal | None, ...]
    findings: Findings
    verdict: npt.NDArray[np.uint8]
    order_verdict: npt.NDArray[np.uint8]
    encodings: tuple[str, ...]
    parsers: tuple[str, ...]

    def counts(self, upload: int) -> Counts:
        """Counts of one upload."""
        raise NotImplementedError

    def findings_of(self, upload: int) -> slice:
        """Rows of ``findings`` that belong to one upload."""
        raise NotImplementedError


def process_many(
    payloads: Sequence[bytes],
    envelopes: Sequence[Envelope],
    plan: Plan,
    parser: ParserChoice = "auto",
) -> Processed:
    """Decode, parse and validate uploads together; the same results as one by one."""
    raise NotImplementedError


def process(
    payload: bytes, envelope: Envelope, plan: Plan, parser: ParserChoice = "auto"
) -> Processed:
    """``process_many`` for one upload."""
    return process_many([payload], [envelope], plan, parser)
