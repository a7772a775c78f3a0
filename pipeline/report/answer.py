"""The answer to one upload, in the shape that every form of it is written from.

Taken from ``Processed`` (one upload of many) or put together again from the store's tables.
Values are in the clear here: each writer masks what its readers may not see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch
from pipeline.core import Processed
from pipeline.merge.state_findings import STANDS
from pipeline.outcome import Counts, Envelope, Refusal, Standing, Verdict
from pipeline.report.places import line_columns
from pipeline.report.printable import MAX_SHOWN_CHARACTERS
from rules.plan import Plan, undecided
from schemas import every_field

_MOST_VALUE_BYTES = 4 * (MAX_SHOWN_CHARACTERS + 1)


@dataclass(frozen=True)
class Finding:
    """One finding. ``record`` and ``order`` count from 1, ``order`` is None on the record itself.

    ``offset``/``length`` in bytes of the upload as received; ``value`` is None where the element
    is absent, and may be cut behind ``MAX_SHOWN_CHARACTERS``. ``stands`` is the version of the
    visit that stands, where the finding tells of one.
    """

    record: int
    order: int | None
    field: str
    code: str
    severity: str
    rule: str
    offset: int
    length: int
    value: str | None
    stands: Standing | None = None


@dataclass(frozen=True)
class Source:
    """Where an upload's values are found again: its place in a batch."""

    batch: Batch
    upload: int

    @property
    def payload(self) -> npt.NDArray[np.uint8]:
        """The upload's bytes, without a copy."""
        start, stop = self.batch.start[self.upload], self.batch.stop[self.upload]
        return self.batch.buffer[start:stop]

    def row(self, record: int) -> int:
        """Row in the batch of a record by its number."""
        return int(self.batch.first_record[self.upload]) + record - 1

    def visit_values(self, record: int) -> list[str | None]:
        """The values of a record in the order of its version's fields, None where absent."""
        row = self.row(record)
        visits, buffer = self.batch.visits, self.batch.buffer.data
        cells = zip(visits.offset[:, row].tolist(), visits.length[:, row].tolist(), strict=True)
        return [None if n < 0 else str(buffer[at : at + n], "utf-8") for at, n in cells]

    def value(self, record: int, order: int | None, field: str) -> str | None:
        """One value of a record, or of its ``order`` from 1; None where absent or no field."""
        known = every_field().get(field)
        if known is None or known.is_order != (order is not None):
            return None
        row = self.row(record)
        if order is not None:
            row = int(self.batch.first_order[row]) + order - 1
        return self.batch.value(known.is_order, known.index, row)


@dataclass(frozen=True)
class Answer:
    """What is said of one upload. ``source`` is None where nothing could be unpacked.

    ``plan`` gives the texts, ``plan_hash`` names the plan that judged. ``verdicts`` is a
    ``Verdict`` per record; ``size`` the upload's bytes after unpacking; ``reference`` the versions
    of the reference tables that were there, by name; ``decided`` the state rules that a merge
    decided. ``status`` is one of ``schemas.tables.STATUSES``: of what is ``held`` or ``dropped``
    nothing was taken, whatever the counts of its check say.
    """

    name: str
    sha256: str
    engine: str
    plan: Plan
    plan_hash: str
    encoding: str
    parser: str
    envelope: Envelope
    size: int
    refusal: Refusal | None
    counts: Counts
    findings: Sequence[Finding]
    verdicts: Sequence[int]
    source: Source | None
    reference: Mapping[str, str] = dataclasses.field(default_factory=dict)
    decided: frozenset[str] = frozenset()
    status: str = "done"

    @property
    def not_checked(self) -> list[tuple[str, str]]:
        """(rule, what it needs) of every rule that was not decided."""
        unsaid = _undecided(self.plan, frozenset(self.reference))
        return [(rule, needs) for rule, needs in unsaid if rule not in self.decided]

    @property
    def waits(self) -> bool:
        """Whether nothing of it was taken since it would delete much: held, or dropped since."""
        return self.status in ("held", "dropped")

    @property
    def worst(self) -> int:
        """0 all accepted (warnings too), 1 a record was rejected, 2 the upload was refused."""
        if self.refusal is not None:
            return 2
        return 1 if self.counts.records_rejected else 0

    def places(self) -> list[tuple[int, int]]:
        """Line and column (from 1) of every finding."""
        if self.source is None or not self.findings:
            return []
        offsets = np.fromiter((f.offset for f in self.findings), np.int64, len(self.findings))
        lines, columns = line_columns(self.source.payload, offsets, self.encoding)
        return list(zip(lines.tolist(), columns.tolist(), strict=True))


_unsaid: dict[tuple[str, frozenset[str]], list[tuple[str, str]]] = {}


def _undecided(plan: Plan, tables: frozenset[str]) -> list[tuple[str, str]]:
    """``undecided``, kept: plans and sets of tables are few, answers many."""
    key = plan.hash, tables
    if key not in _unsaid:
        _unsaid[key] = undecided(plan, tables)
    return _unsaid[key]


def answer_of(processed: Processed, upload: int, sha256: str, engine: str) -> Answer:
    """The answer to one of the uploads that were processed together."""
    source = Source(processed.batch, upload)
    first, last = processed.batch.first_record[upload : upload + 2].tolist()
    return Answer(
        name=processed.envelopes[upload].name,
        sha256=sha256,
        engine=engine,
        plan=processed.plan,
        plan_hash=processed.plan.hash,
        encoding=processed.encodings[upload],
        parser=processed.parsers[upload],
        envelope=processed.envelopes[upload],
        size=len(source.payload),
        refusal=processed.refusals[upload],
        counts=processed.counts(upload),
        findings=_findings(processed, upload),
        verdicts=processed.verdict[first:last].tolist(),
        source=source,
        reference=processed.references.versions,
        status=_status(processed, upload),
    )


def unpacked_answer(
    sha256: str, refusal: Refusal, plan: Plan, envelope: Envelope, engine: str
) -> Answer:
    """The answer to an upload that was refused before there was a document to parse."""
    return Answer(
        envelope.name, sha256, engine, plan, plan.hash, "", "", envelope, 0, refusal, Counts(),
        (), (), None, status="refused",
    )  # fmt: skip


def _status(processed: Processed, upload: int) -> str:
    if processed.refusals[upload] is not None:
        return "refused"
    return "held" if upload in processed.held else "done"


def _findings(processed: Processed, upload: int) -> list[Finding]:
    rows = processed.findings_of(upload)
    found, batch, rules = processed.findings, processed.batch, processed.plan.rules
    base = int(batch.start[upload])
    columns = (
        found.record[rows],
        batch.record_number[found.record[rows]],
        found.order[rows],
        found.field[rows],
        found.rule[rows],
        found.offset[rows] - base,
        found.length[rows],
        found.value_offset[rows],
        found.value_length[rows],
    )
    out = []
    for row, record, order, field, rule, offset, length, at, size in zip(
        *(column.tolist() for column in columns), strict=True
    ):
        planned = rules[rule]
        out.append(
            Finding(
                record,
                order + 1 if order >= 0 else None,
                found.names[field],
                planned.code,
                planned.severity,
                planned.id,
                offset,
                length,
                None if size < 0 else _text(batch, at, size),
                processed.standing.get(row) if planned.id == STANDS else None,
            )
        )
    return out


def _text(batch: Batch, offset: int, length: int) -> str:
    shown = batch.buffer[offset : offset + min(length, _MOST_VALUE_BYTES)]
    return shown.tobytes().decode("utf-8", "ignore" if length > _MOST_VALUE_BYTES else "strict")


VERDICT_NAMES = {v.value: v.name.lower() for v in Verdict}
