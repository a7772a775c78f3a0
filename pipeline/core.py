"""PURE: bytes and envelopes in, verdicts and findings out. Nothing here reads a clock or a file.

``process(payload, envelope, plan)`` is decode → parse → validate. ``process_many`` does the same
for many uploads at the cost of one; ``process`` is the case of one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Counts, Envelope, Findings, Refusal, Standing, Verdict
from pipeline.parse.parse import ParserChoice, parse_many
from pipeline.references import NONE, References
from pipeline.validate.flood import TOO_MANY, FloodError
from pipeline.validate.leave_out import without
from pipeline.validate.validate import refused, validate
from rules.plan import Plan
from schemas import version_in

_CODE_LENGTH = 10


@dataclass(frozen=True)
class Processed:
    """The outcome of several uploads, as columns. Index ``i`` is the upload's place in the input.

    ``envelopes`` have their institution filled in where it could be known. ``verdict`` is a
    ``Verdict`` per record of ``batch``, ``order_verdict`` per order. A refused upload has no
    records. ``parsers`` says which way each took ("fast" or "lxml"), ``encodings`` "big5"/"utf-8"
    ("" where none could be told). ``references`` are the tables the verdicts rest on.

    The merge adds ``standing``: by row of a rejected correction, the version that stands, and
    ``held``: places of the uploads that wait for confirmation, of which nothing was merged.
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
    references: References = NONE
    standing: Mapping[int, Standing] = field(default_factory=dict)
    held: frozenset[int] = frozenset()

    def records_of(self, upload: int) -> slice:
        """Rows of one upload's records in the batch."""
        first = self.batch.first_record
        return slice(int(first[upload]), int(first[upload + 1]))

    def orders_of(self, upload: int) -> slice:
        """Rows of one upload's orders in the batch."""
        records, first = self.records_of(upload), self.batch.first_order
        return slice(int(first[records.start]), int(first[records.stop]))

    def findings_of(self, upload: int) -> slice:
        """Rows of ``findings`` that belong to one upload."""
        records = self.records_of(upload)
        low, high = np.searchsorted(self.findings.record, [records.start, records.stop])
        return slice(int(low), int(high))

    def counts(self, upload: int) -> Counts:
        """Counts of one upload."""
        verdict = self.verdict[self.records_of(upload)]
        order_verdict = self.order_verdict[self.orders_of(upload)]
        rejected = int((verdict == Verdict.REJECTED).sum())
        orders_rejected = int((order_verdict == Verdict.REJECTED).sum())
        return Counts(
            records=len(verdict),
            records_accepted=len(verdict) - rejected,
            records_warned=int((verdict == Verdict.WARNED).sum()),
            records_rejected=rejected,
            orders=len(order_verdict),
            orders_accepted=len(order_verdict) - orders_rejected,
            orders_rejected=orders_rejected,
        )


def process_many(
    payloads: Sequence[bytes],
    envelopes: Sequence[Envelope],
    plan: Plan,
    parser: ParserChoice = "auto",
    *,
    utf8: bool = False,
    limits: Limits = LIMITS,
    references: References = NONE,
) -> Processed:
    """Decode, parse and validate uploads together; the same results as one by one.

    The uploads are read in the plan's version of the format (see ``pipeline.parse.recognise``).
    Checks whose table ``references`` lacks are not made; see ``rules.plan.undecided``.
    """
    version = version_in(plan.layout)
    parsed = parse_many(payloads, utf8=utf8, parser=parser, limits=limits, version=version)
    batch, refusals = parsed.batch, list(parsed.refusals)
    known = tuple(_with_sender(batch, i, envelope) for i, envelope in enumerate(envelopes))
    codes = refused(batch, plan, known, references)
    while True:
        if codes:
            batch = without(batch, codes)
            for upload, code in codes.items():
                refusals[upload] = Refusal(code, 0, 1, 1)
        try:
            findings, verdict, order_verdict = validate(batch, plan, known, references, limits)
            break
        except FloodError as flood:
            codes = dict.fromkeys(flood.uploads, TOO_MANY)
    return Processed(
        plan, known, batch, tuple(refusals), findings, verdict, order_verdict,
        parsed.encodings, parsed.parsers, references,
    )  # fmt: skip


def _with_sender(batch: Batch, upload: int, envelope: Envelope) -> Envelope:
    """The sender is the credential's; offline it is the first M05 (in 1.0 A14) that is a code."""
    if envelope.institution is not None:
        return envelope
    field = version_in(batch.layout).own("M05").index
    first, stop = batch.first_record[upload : upload + 2].tolist()
    codes = (batch.value(False, field, record) or "" for record in range(first, stop))
    return replace(envelope, institution=next(filter(_is_code, codes), None))


def _is_code(code: str) -> bool:
    return len(code) == _CODE_LENGTH and code.isascii() and code.isalnum()


def process(
    payload: bytes,
    envelope: Envelope,
    plan: Plan,
    parser: ParserChoice = "auto",
    *,
    utf8: bool = False,
    limits: Limits = LIMITS,
    references: References = NONE,
) -> Processed:
    """``process_many`` for one upload."""
    return process_many(
        [payload], [envelope], plan, parser, utf8=utf8, limits=limits, references=references
    )
