"""PURE: bytes, name and moment of receipt of a registration file → what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Envelope, Findings, Refusal, Verdict
from pipeline.register.batch import ROW_FIELDS, batch_of
from pipeline.register.decode import decode
from pipeline.register.limits import REGISTER_LIMITS, RegisterLimits
from pipeline.register.name import base_name, name_fields
from pipeline.register.sheet import Sheet, read_sheet
from pipeline.validate.flood import FloodError
from pipeline.validate.validate import validate
from rules.plan import Plan

_MOST_VALUE_BYTES = 2_000


@dataclass(frozen=True)
class RowCounts:
    """Rows of a file: how many are good and how many are not. Warned ones are among the good."""

    rows: int = 0
    accepted: int = 0
    warned: int = 0
    rejected: int = 0


@dataclass(frozen=True)
class RowFinding:
    """One finding. ``row`` and ``line`` count from 1 (lines as a spreadsheet numbers its rows) and
    are None on the file itself; ``column`` is its letter. ``value`` is None where there is none."""

    row: int | None
    line: int | None
    column: str | None
    field: str
    code: str
    severity: str
    rule: str
    offset: int
    length: int
    value: str | None


@dataclass(frozen=True)
class Judged:
    """A file that could be read: its rows as a batch, what is found and a verdict per row."""

    sheet: Sheet
    batch: Batch
    findings: Findings
    verdict: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Checked:
    """The answer to one file. ``judged`` is None exactly where there is a ``refusal``.

    ``encoding`` is ascii, utf-8 or big5, "" where none could be told; ``name`` is without folders.
    """

    name: str
    envelope: Envelope
    plan: Plan
    encoding: str
    refusal: Refusal | None
    judged: Judged | None

    @property
    def plan_hash(self) -> str:
        """The plan that judged."""
        return self.plan.hash

    @property
    def taken(self) -> bool:
        """Whether the good rows are taken: nothing rejects the file as a whole."""
        if self.judged is None:
            return False
        found = self.judged.findings
        on_file = found.rule[found.order < 0].tolist()
        return all(self.plan.rules[rule].severity == "warn" for rule in on_file)

    @property
    def worst(self) -> int:
        """0 all accepted (warnings too), 1 a row was rejected, 2 the file was."""
        if not self.taken:
            return 2
        return 1 if self.counts.rejected else 0

    @property
    def counts(self) -> RowCounts:
        """Counts by the rows' own findings, whatever is said of the file."""
        if self.judged is None:
            return RowCounts()
        verdict = self.judged.verdict
        rejected = int((verdict == Verdict.REJECTED).sum())
        warned = int((verdict == Verdict.WARNED).sum())
        return RowCounts(len(verdict), len(verdict) - rejected, warned, rejected)

    def findings(self) -> Iterator[RowFinding]:
        """What was found, the file first, then by row."""
        if self.judged is None:
            return
        found, batch, sheet = self.judged.findings, self.judged.batch, self.judged.sheet
        for at in range(len(found)):
            order, name = int(found.order[at]), found.names[found.field[at]]
            rule, size = self.plan.rules[found.rule[at]], int(found.value_length[at])
            start = int(found.value_offset[at])
            yield RowFinding(
                order + 1 if order >= 0 else None,
                sheet.lines[order] if order >= 0 else None,
                column_of(name) if order >= 0 else None,
                name,
                rule.code,
                rule.severity,
                rule.id,
                int(found.offset[at]),
                int(found.length[at]),
                None if size < 0 else _text(batch, start, size),
            )


def _text(batch: Batch, offset: int, length: int) -> str:
    """A value, cut where nobody reads on."""
    shown = batch.buffer[offset : offset + min(length, _MOST_VALUE_BYTES)]
    return shown.tobytes().decode("utf-8", "ignore")


def column_of(field: str) -> str | None:
    """The letter a spreadsheet gives the column of a row's field, None for what has none."""
    place = ROW_FIELDS.index(field)
    return "ABCD"[place] if place < len("ABCD") else None


def check_registration(
    payload: bytes,
    envelope: Envelope,
    plan: Plan,
    limits: RegisterLimits = REGISTER_LIMITS,
    bounds: Limits = LIMITS,
) -> Checked:
    """Read and judge one file; ``envelope.name`` is its name, with folders or without.

    ``bounds`` say how many findings are told of one file.
    """
    name = base_name(envelope.name)
    decoded = decode(payload, limits)
    if isinstance(decoded, Refusal):
        return Checked(name, envelope, plan, "", decoded, None)
    sheet = read_sheet(payload, decoded, limits)
    if isinstance(sheet, Refusal):
        return Checked(name, envelope, plan, decoded.encoding, sheet, None)
    batch = batch_of(payload, sheet, name_fields(name))
    try:
        findings, _, verdict = validate(batch, plan, [envelope], limits=bounds)
    except FloodError:
        most = bounds.most_findings(len(payload))
        many = Refusal("R006", 0, 1, 1, f"超過 {most:,} 項", f"more than {most:,}")
        return Checked(name, envelope, plan, decoded.encoding, many, None)
    judged = Judged(sheet, batch, findings, verdict)
    return Checked(name, envelope, plan, decoded.encoding, None, judged)
