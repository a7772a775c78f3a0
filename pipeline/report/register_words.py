"""Words and places that every form of a registration file's answer shares."""

from __future__ import annotations

from pipeline.register.check import Checked, RowFinding
from pipeline.register.name import file_date, unit_code
from pipeline.report.texts import field_name

STATES = (
    ("accepted", "全部接受", "all rows accepted"),
    ("rows-rejected", "有列退回", "rows rejected"),
    ("file-rejected", "整檔退回", "file rejected"),
)
"""By ``Checked.worst``: the word for machines, then for people."""


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


def unit_and_date(checked: Checked) -> tuple[str | None, str | None]:
    """The insured unit and the ISO date in a file's name, None where it lacks them."""
    date = file_date(checked.name)
    return unit_code(checked.name), None if date is None else date.isoformat()
