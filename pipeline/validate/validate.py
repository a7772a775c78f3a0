"""Takes parsed records and a plan; gives findings and verdicts. Pure: no clock, files or network.

1. Run the plan; wherever a rule is true, it is broken.
2. Silence: a record with structural faults has only those findings; one that breaks a stopping
   rule has only findings of stopping rules.
3. Subsume: at one place, codes that a broken rule names as the same defect are dropped.
4. Sort by record, order (-1 first), field and code; verdicts follow from severities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC

import numpy as np
import numpy.typing as npt

from pipeline.columns import FAULT_CODES, Batch, Int32, UInt8
from pipeline.kernels.context import Senders
from pipeline.kernels.run import Program
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Envelope, Findings, Verdict
from pipeline.parse.places import places
from pipeline.references import NONE, References
from pipeline.taipei import TAIPEI
from pipeline.validate.flood import refuse_floods
from pipeline.validate.ready import Ready, ready
from rules.plan import Plan

_COLUMNS = [column.name for column in fields(Findings) if column.name != "names"]
Rows = npt.NDArray[np.bool_] | npt.NDArray[np.intp]


@dataclass(frozen=True)
class Broken:
    """Broken rules as parallel columns: ``rule`` of the plan, ``record`` and ``order`` rows of the
    batch (order -1: on the record)."""

    rule: Int32
    record: Int32
    order: Int32

    def where(self, kept: Rows) -> Broken:
        """These rows only."""
        return Broken(self.rule[kept], self.record[kept], self.order[kept])


def validate(
    batch: Batch,
    plan: Plan,
    envelopes: Sequence[Envelope],
    references: References = NONE,
    limits: Limits = LIMITS,
) -> tuple[Findings, UInt8, UInt8]:
    """Findings, and a ``Verdict`` per record and per order of ``batch`` (uint8).

    ``envelopes`` are those of the batch's uploads, in order; a sender of ``None`` leaves what
    depends on it unknown, as does a table that ``references`` lacks. Rules that refuse uploads are
    left to ``refused``. ``KeyError`` if the batch has faults for whose code the plan has no rule;
    ``FloodError`` if an upload has more findings than ``limits`` allow.
    """
    made = ready(plan)
    broken = _subsumed(_run(batch, made, envelopes, references, limits), made)
    findings = _located(broken, batch, made)
    if len(batch.faults.record):
        findings = _joined(findings, _faults(batch, made))
    findings = _sorted(findings, made)
    return findings, *_verdicts(findings, batch, made)


def refused(
    batch: Batch, plan: Plan, envelopes: Sequence[Envelope], references: References = NONE
) -> dict[int, str]:
    """The uploads that a rule refuses as a whole, each with the code (the first, of several).

    Such rules look at no field, so they say the same of every record of an upload.
    """
    made = ready(plan)
    codes: dict[int, set[str]] = {}
    for rule, rows in _broken(made.admission, batch, envelopes, references):
        for upload in np.unique(batch.record_upload[rows]).tolist():
            codes.setdefault(upload, set()).add(plan.rules[rule].code)
    return {upload: min(found) for upload, found in codes.items()}


def _broken(
    program: Program, batch: Batch, envelopes: Sequence[Envelope], references: References
) -> Iterator[tuple[int, Int32]]:
    received = np.array([wall_seconds(envelope) for envelope in envelopes], np.int64)
    return program.broken(batch, received, _senders(envelopes), references, envelopes)


def _run(
    batch: Batch,
    made: Ready,
    envelopes: Sequence[Envelope],
    references: References,
    limits: Limits,
) -> Broken:
    """What is broken and not silenced. ``FloodError`` as soon as it is too much of one upload."""
    found = [Broken(*(np.empty(0, np.int32) for _ in fields(Broken)))]
    silenced = _silenced(batch, made, envelopes, references)
    size, checked = 0, limits.findings
    for rule, rows in _broken(made.program, batch, envelopes, references):
        record = batch.order_record[rows] if made.on_order[rule] else rows
        heard = silenced[record] <= made.stops[rule]
        record, kept = record[heard], rows[heard]
        if len(kept):
            order = kept if made.on_order[rule] else np.full(len(kept), -1, np.int32)
            found.append(Broken(np.full(len(kept), rule, np.int32), record, order))
            size += len(kept)
        if size > checked:
            refuse_floods(batch, np.concatenate([f.record for f in found]), limits)
            checked = 2 * size
    together = (np.concatenate([getattr(f, c.name) for f in found]) for c in fields(Broken))
    broken = Broken(*together)
    refuse_floods(batch, broken.record, limits)
    return broken


def _silenced(
    batch: Batch, made: Ready, envelopes: Sequence[Envelope], references: References
) -> UInt8:
    """Per record what is not heard of it: 0 everything is, 1 stopping rules are, 2 nothing is."""
    silenced = np.zeros(batch.visits.rows, np.uint8)
    for _, rows in _broken(made.stopping, batch, envelopes, references):
        silenced[rows] = 1
    silenced[batch.faults.record] = 2
    return silenced


def wall_seconds(envelope: Envelope) -> int:
    """Seconds from 1970-01-01 to the moment of receipt, on Taipei's clock."""
    wall = envelope.received_at.astimezone(TAIPEI).replace(tzinfo=UTC)
    return int(wall.timestamp() // 1)


def _senders(envelopes: Sequence[Envelope]) -> Senders:
    codes = [(envelope.institution or "").encode() for envelope in envelopes]
    length = np.array([len(code) for code in codes], np.int32)
    offset = (np.cumsum(length) - length).astype(np.int32)
    return Senders(np.frombuffer(bytearray(b"".join(codes)), np.uint8), offset, length)


def _subsumed(broken: Broken, made: Ready) -> Broken:
    """Without findings whose code another finding at the same place subsumes."""
    at = (broken.record, broken.order, made.field[broken.rule])
    dropped = np.zeros(len(broken.rule), np.bool_)
    present = set(np.unique(broken.rule).tolist())
    for subsumer in made.subsumers:
        if subsumer in present:
            codes = made.plan.rules[subsumer].subsumes
            lesser = np.array([rule.code in codes for rule in made.plan.rules])[broken.rule]
            lesser &= broken.rule != subsumer
            dropped |= lesser & _same_place(at, broken.rule == subsumer)
    return broken.where(~dropped)


def _same_place(at: tuple[Int32, Int32, Int32], chosen: npt.NDArray[np.bool_]) -> Rows:
    """Which rows stand at the (record, order, field) of a chosen row."""
    record, order, field = (column.astype(np.int64) for column in at)
    owner = np.where(order >= 0, (order << 1) + 1, record << 1)  # an order says its record
    key = owner * (int(field.max(initial=0)) + 1) + field
    return np.isin(key, key[chosen])


def _located(broken: Broken, batch: Batch, made: Ready) -> Findings:
    field = made.field[broken.rule]
    offset, length, value_offset, value_length = places(batch, field, broken.record, broken.order)
    within = broken.order - batch.first_order[broken.record]
    order = np.where(broken.order >= 0, within, -1).astype(np.int32)
    return Findings(
        broken.record, order, field, broken.rule,
        offset, length, value_offset, value_length, made.names,
    )  # fmt: skip


def _faults(batch: Batch, made: Ready) -> Findings:
    """The structural faults of parsing, as findings; names of unknown elements are added."""
    faults = batch.faults
    names = tuple(dict.fromkeys([*made.names, *faults.names]))
    number = {name: index for index, name in enumerate(names)}
    rule = np.array(
        [made.plan.by_code[code][0] if code in made.plan.by_code else -1 for code in FAULT_CODES],
        np.int32,
    )[faults.code]
    if (rule < 0).any():
        raise KeyError(f"no rule for {FAULT_CODES[int(faults.code[rule.argmin()])]}")
    field = np.array([number[name] for name in faults.names], np.int32)[faults.name]
    nothing = np.full(len(rule), -1, np.int64)
    return Findings(
        faults.record, faults.order, field, rule, faults.offset.astype(np.int64), faults.length,
        nothing, nothing.astype(np.int32), names,
    )  # fmt: skip


def _joined(first: Findings, second: Findings) -> Findings:
    """Both, under the names of the second."""
    joined = {
        name: np.concatenate([getattr(first, name), getattr(second, name)]) for name in _COLUMNS
    }
    return Findings(**joined, names=second.names)


def _sorted(findings: Findings, made: Ready) -> Findings:
    keys = (made.rank[findings.rule], findings.field, findings.order, findings.record)
    by = np.lexsort((findings.offset, *keys))
    return replace(findings, **{name: getattr(findings, name)[by] for name in _COLUMNS})


def _verdicts(findings: Findings, batch: Batch, made: Ready) -> tuple[UInt8, UInt8]:
    """The worst of each record's findings, and of each order's own."""
    warns = made.warns[findings.rule]
    verdict = np.where(warns, Verdict.WARNED, Verdict.REJECTED).astype(np.uint8)
    records = np.full(batch.visits.rows, Verdict.ACCEPTED, np.uint8)
    np.maximum.at(records, findings.record, verdict)
    orders = np.full(batch.orders.rows, Verdict.ACCEPTED, np.uint8)
    own = findings.order >= 0
    row = batch.first_order[findings.record[own]] + findings.order[own]
    np.maximum.at(orders, row, verdict[own])
    return records, orders
