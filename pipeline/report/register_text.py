"""The answer to a registration file on a screen: the verdict, the reasons, and each place.

As document 002 promises it: how many rows are good, how many are not, and why. Values are masked.
"""

from __future__ import annotations

from io import StringIO
from itertools import groupby, islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.register.check import RowFinding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import printable
from pipeline.report.register_words import STATES, FileAnswer, Received, place, unit_and_date
from pipeline.report.texts import refusal_text, rule_text

_SHOWN_CHARACTERS = 40
_LONGEST_TEXT = 1_000
_STYLES = ("green", "red", "bold red")
_SEVERITIES = {
    "reject": ("red", "退回 rejected"),
    "warn": ("yellow", "提示 warning"),
}


def registration_text(checked: FileAnswer, received: Received) -> bytes:
    """The answer to a stored file with every place, as a file: UTF-8, LF."""
    screen = Console(file=StringIO(), width=120, highlight=False, markup=False, emoji=False)
    show_registration(checked, screen, details=checked.counts.rows, received=received)
    assert isinstance(screen.file, StringIO)  # noqa: S101
    return screen.file.getvalue().encode()


def show_registration(
    checked: FileAnswer, console: Console, details: int, received: Received | None = None
) -> None:
    """Print one answer; at most ``details`` places a reason, the rest as an exact number.

    ``received`` is the receipt of a file that is stored.
    """
    _, zh, en = STATES[checked.worst]
    mark = "✗" if checked.worst else "✓"
    name = printable(without_ids(checked.name))
    _say(
        console, Text.assemble((name, "bold"), "  ", (f"{mark} {zh} {en}", _STYLES[checked.worst]))
    )
    if received is not None:
        _show_receipt(received, console)
    unit, date = unit_and_date(checked)
    if unit and date:
        _say(console, Text(f"  投保單位 insured unit {unit}，日期 date {date}"))
    if checked.refusal is not None:
        _show_refusal(checked, console)
    else:
        _show_findings(checked, console, details)
    console.print()


def _show_receipt(received: Received, console: Console) -> None:
    _say(console, Text(f"  收件編號 upload id {received.upload_id}"))
    if received.redelivery_of is not None:
        first = received.redelivery_of
        _say(console, Text(f"  重送，沒有任何變更；首次收件 sent again, nothing changed: {first}"))


def _show_findings(checked: FileAnswer, console: Console, details: int) -> None:
    c = checked.counts
    counts = (
        f"  列 rows {c.rows:,}：成功 good {c.accepted:,}（其中提示 warned {c.warned:,}）、"
        f"失敗 bad {c.rejected:,}"
    )
    _say(console, Text(counts))
    if not checked.taken:
        _say(console, Text("  整檔退回，沒有採用任何一列 the file was rejected and no row taken"))
    found = sorted(checked.findings(), key=lambda f: (f.row is not None, f.rule))
    groups = [list(group) for _, group in groupby(found, key=lambda f: f.rule)]
    for group in sorted(groups, key=lambda g: (g[0].row is not None, -len(g))):
        _show_group(checked, group, console, details)


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)


def _show_refusal(checked: FileAnswer, console: Console) -> None:
    refusal = checked.refusal
    assert refusal is not None  # noqa: S101
    text = refusal_text(checked.plan, refusal)
    line, column = refusal.line, refusal.column
    at = f"  第 {line} 列第 {column} 位元組 row {line}, byte {column}"
    _say(console, Text.assemble("  ", (refusal.code, "bold red"), at if refusal.offset else ""))
    for said in (text.message_zh, text.message_en, text.remedy_zh, text.remedy_en):
        if said:
            _say(console, Text("    " + printable(said, _LONGEST_TEXT)))


def _show_group(
    checked: FileAnswer, group: list[RowFinding], console: Console, details: int
) -> None:
    first = group[0]
    text = rule_text(checked.plan, first.rule, first.code)
    style, severity = _SEVERITIES[first.severity]
    head = Text.assemble("\n  ", (first.code, style), f" × {len(group):,}  ", (severity, style))
    _say(console, head.append(f"  {text.message_zh}"))
    _say(console, Text("    " + text.message_en, style="dim"))
    _say(console, Text(f"    → {text.remedy_zh}"))
    _say(console, Text(f"      {text.remedy_en}", style="dim"))
    grid = Table.grid(padding=(0, 2))
    for _ in range(2):
        grid.add_column(no_wrap=True, overflow="ignore")
    for finding in islice(group, details):
        grid.add_row(Text("      " + " ".join(place(finding))), Text(_value(finding)))
    console.print(grid, soft_wrap=True)
    if len(group) > details:
        more = len(group) - details
        _say(console, Text(f"      …另有 {more:,} 列未列出 {more:,} more not listed", style="dim"))


def _value(finding: RowFinding) -> str:
    if finding.value is None:
        return "（沒有 absent）"
    shown = printable(masked(finding.field, finding.value) or "", _SHOWN_CHARACTERS)
    return f"「{shown}」" if shown.strip() else "（空白 blank）"
