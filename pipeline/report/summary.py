"""The end of a run on a screen: what was taken, what was not, and what to look at first."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.outcome import Counts
from pipeline.report.texts import rule_text
from rules.plan import Plan

_TOP_CODES = 10


@dataclass
class Tally:
    """What a run came to. ``refusals`` and ``findings`` count by code, and by (code, rule)."""

    uploads: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    redelivered: int = 0
    counts: Counts = field(default_factory=Counts)
    findings: Counter[tuple[str, str]] = field(default_factory=Counter)
    bytes: int = 0
    seconds: float = 0.0


def show_summary(tally: Tally, plan: Plan, console: Console, receipts: Path | None) -> None:
    """Print a run's tally; ``receipts`` is the folder they were written to, if any."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    for name, number, note in _lines(tally):
        grid.add_row(name, number, note)
    console.print(grid, soft_wrap=True)
    _show_codes(tally, plan, console)
    speed = tally.bytes / 1e6 / tally.seconds if tally.seconds else 0.0
    line = f"{tally.bytes / 1e6:,.1f} MB，{tally.seconds:,.1f} 秒 s，{speed:,.1f} MB/s"
    console.print(Text(line, style="dim"))
    if receipts is not None:
        console.print(Text(f"回條 receipts: {receipts}"), soft_wrap=True)


def _lines(tally: Tally) -> list[tuple[str, str, str]]:
    c, refused = tally.counts, tally.refusals.total()
    taken = tally.uploads - refused - tally.redelivered
    uploads = (f"收下 taken {taken:,}", f"整批退件 refused {refused:,}",
               f"重送 redelivered {tally.redelivered:,}")  # fmt: skip
    records = (f"接受 accepted {c.records_accepted:,}（其中提示 warned {c.records_warned:,}）",
               f"退件 rejected {c.records_rejected:,}")  # fmt: skip
    orders = (f"有效 accepted {c.orders_accepted:,}", f"無效 rejected {c.orders_rejected:,}")
    return [
        ("上傳 uploads", f"{tally.uploads:,}", "，".join(uploads)),
        ("資料 records", f"{c.records:,}", "，".join(records)),
        ("醫令 orders", f"{c.orders:,}", "，".join(orders)),
    ]


def _show_codes(tally: Tally, plan: Plan, console: Console) -> None:
    for code, count in tally.refusals.most_common():
        meaning = rule_text(plan, "", code)
        line = (
            f"  {code:<5}{count:>9,}  整批退件 refused  {meaning.message_zh} {meaning.message_en}"
        )
        console.print(Text(line, style="bold red"), soft_wrap=True)
    for (code, rule), count in tally.findings.most_common(_TOP_CODES):
        meaning = rule_text(plan, rule, code)
        line = f"  {code:<5}{count:>9,}  {meaning.message_zh} {meaning.message_en}"
        console.print(Text(line), soft_wrap=True)
    more = len(tally.findings) - _TOP_CODES
    if more > 0:
        console.print(Text(f"  …另有 {more:,} 種 more kinds", style="dim"))
