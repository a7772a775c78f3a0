"""A stored registration file's rows and bytes → its answer again, as of then.

Counts, verdict and findings are those of the tables, whatever the rules say today. The bytes give
the numbers of lines and the place of a refusal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.outcome import Refusal
from pipeline.register.check import RowCounts, RowFinding, column_of
from pipeline.register.decode import decode
from pipeline.register.limits import REGISTER_LIMITS
from pipeline.register.sheet import Sheet, read_sheet
from rules.plan import Plan

Row = Mapping[str, Any]


@dataclass(frozen=True)
class StoredRegistration:
    """The answer to a stored file, in the shape of ``pipeline.register.check.Checked``."""

    name: str
    plan: Plan
    plan_hash: str
    encoding: str
    refusal: Refusal | None
    taken: bool
    counts: RowCounts
    found: tuple[RowFinding, ...]

    @property
    def worst(self) -> int:
        """As ``Checked.worst``."""
        if not self.taken:
            return 2
        return 1 if self.counts.rejected else 0

    def findings(self) -> Iterator[RowFinding]:
        """As ``Checked.findings``; long values are cut."""
        return iter(self.found)


def stored_registration(
    upload: Row, findings: Iterable[Row], payload: bytes | None, plan: Plan
) -> StoredRegistration:
    """The answer from the row of ``uploads``, the rows of ``findings`` and the bytes, if kept."""
    read = _read(payload)
    lines = read.lines if isinstance(read, Sheet) else []
    found = tuple(_finding(row, lines) for row in sorted(findings, key=_order))
    code = upload["refusal_code"]
    of_file = {f.code for f in found if f.row is None}
    refusal = None if code is None or code in of_file else _refusal(code, read)
    return StoredRegistration(
        name=upload["name"] or "",
        plan=plan,
        plan_hash=upload["plan"],
        encoding=upload["encoding"] or "",
        refusal=refusal,
        taken=upload["status"] == "done",
        counts=RowCounts(
            upload["records"],
            upload["records_accepted"],
            upload["records_warned"],
            upload["records_rejected"],
        ),
        found=found,
    )


def _read(payload: bytes | None) -> Sheet | Refusal | None:
    if payload is None:
        return None
    decoded = decode(payload, REGISTER_LIMITS)
    if isinstance(decoded, Refusal):
        return decoded
    return read_sheet(payload, decoded, REGISTER_LIMITS)


def _refusal(code: str, read: Sheet | Refusal | None) -> Refusal:
    """The refusal of then, with its place if reading the bytes again ends at the same."""
    if isinstance(read, Refusal) and read.code == code:
        return read
    return Refusal(code, 0, 1, 1)


def _finding(row: Row, lines: list[int]) -> RowFinding:
    number = row["record"] or None
    known = number is not None and number <= len(lines)
    return RowFinding(
        row=number,
        line=lines[number - 1] if number is not None and known else number,
        column=None if number is None else column_of(row["field"]),
        field=row["field"],
        code=row["code"],
        severity=row["severity"],
        rule=row["rule"],
        offset=row["byte_offset"],
        length=row["byte_length"],
        value=row["value"],
    )


def _order(row: Row) -> tuple[int, str, str]:
    """The file first, then by row; fields by name, as their ids are in order."""
    return row["record"], row["field"], row["code"]
