"""Words and places that every form of a registration file's answer shares."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.outcome import Refusal
from pipeline.register.check import RowCounts, RowFinding
from pipeline.register.name import file_date, unit_code
from pipeline.report.texts import field_name
from rules.plan import Plan

STATES = (
    ("accepted", "全部接受", "all rows accepted"),
    ("rows-rejected", "有列退回", "rows rejected"),
    ("file-rejected", "整檔退回", "file rejected"),
)
"""By ``FileAnswer.worst``: the word for machines, then for people."""


@dataclass(frozen=True)
class Received:
    """The receipt of a file taken into a store; ``redelivery_of`` is the upload id of the first
    time, whose answer it is then."""

    upload_id: str
    redelivery_of: str | None = None


class FileAnswer(Protocol):
    """What is said of a file: of one checked now, or of a stored one."""

    @property
    def name(self) -> str:
        """Without folders."""

    @property
    def plan(self) -> Plan:
        """What gives the texts."""

    @property
    def plan_hash(self) -> str:
        """The plan that judged."""

    @property
    def encoding(self) -> str:
        """As ``Checked.encoding``."""

    @property
    def refusal(self) -> Refusal | None:
        """Why it could not be read, if it could not."""

    @property
    def taken(self) -> bool:
        """Whether the good rows are taken."""

    @property
    def worst(self) -> int:
        """0 all accepted, 1 a row was rejected, 2 the file was."""

    @property
    def counts(self) -> RowCounts:
        """How many rows are good."""

    def findings(self) -> Iterator[RowFinding]:
        """What was found, the file first, then by row."""


def place(finding: RowFinding) -> tuple[str, str]:
    """Where a finding stands, in both languages: row and column as a spreadsheet names them."""
    if finding.line is None:
        name_zh, name_en = field_name(finding.field)
        return name_zh, name_en
    if finding.column is None:
        return f"第 {finding.line} 列", f"row {finding.line}"
    return (
        f"第 {finding.line} 列 {finding.column} 欄",
        f"row {finding.line} column {finding.column}",
    )


def unit_and_date(checked: FileAnswer) -> tuple[str | None, str | None]:
    """The insured unit and the ISO date in a file's name, None where it lacks them."""
    date = file_date(checked.name)
    return unit_code(checked.name), None if date is None else date.isoformat()
