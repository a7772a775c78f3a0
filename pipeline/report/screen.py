"""An upload's answer on a screen: the verdict, the findings by code, then each place.

Written for a vendor's terminal and for a build log alike: colours only on a terminal (rich, and
``NO_COLOR``), the same words without them. Personal values are masked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.answer import Answer, Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import printable
from pipeline.report.texts import Text as Said
from pipeline.report.texts import field_name, held_text, refusal_text, rule_text, standing_text

DETAILS_PER_CODE = 10
_SHOWN_CHARACTERS = 40
_LONGEST_TEXT = 1_000
_STYLES = {"reject": "red", "warn": "yellow", "refuse": "bold red"}
_SEVERITIES = {"reject": "退件 rejected", "warn": "提示 warning"}
_VERDICTS = (
    ("green", "✓ 全部接受 all accepted"),
    ("red", "✗ 有資料退件 records rejected"),
    ("bold red", "✗ 整批退件 upload refused"),
)
_WAITING = {
    "held": ("yellow", "暫緩處理 held, nothing taken yet"),
    "dropped": ("red", "✗ 已作廢 dropped, nothing taken"),
}


def show(answer: Answer, console: Console, details: int = DETAILS_PER_CODE) -> None:
    """Print one answer; at most ``details`` places a code, the rest as an exact number."""
    style, verdict = _WAITING.get(answer.status, _VERDICTS[answer.worst])
    _say(console, Text.assemble((printable(answer.name), "bold"), "  ", (verdict, style)))
    if answer.refusal is not None:
        _show_refusal(answer, console)
    else:
        _say(console, Text("  " + _counts(answer)))
        if answer.waits:
            _show_text(held_text(answer.status), console)
        placed = zip(answer.findings, answer.places(), strict=True)
        groups: dict[tuple[str, str], list[tuple[Finding, tuple[int, int]]]] = {}
        for finding, place in placed:
            groups.setdefault((finding.code, finding.rule), []).append((finding, place))
        for group in sorted(groups.values(), key=len, reverse=True):
            _show_group(answer, group, console, details)
    console.print()


def _say(console: Console, text: Text) -> None:
    console.print(text, soft_wrap=True)


def _counts(answer: Answer) -> str:
    c = answer.counts
    return (
        f"資料 records {c.records:,}：接受 accepted {c.records_accepted:,}"
        f"（其中提示 warned {c.records_warned:,}）、退件 rejected {c.records_rejected:,}"
        f"；醫令 orders {c.orders:,}：有效 accepted {c.orders_accepted:,}"
        f"、無效 rejected {c.orders_rejected:,}"
    )


def _show_refusal(answer: Answer, console: Console) -> None:
    refusal = answer.refusal
    assert refusal is not None  # noqa: S101
    line, column = refusal.line, refusal.column
    place = f"  第 {line} 行第 {column} 字 line {line}, column {column}"
    _say(console, Text.assemble("  ", (refusal.code, _STYLES["refuse"]), place))
    _show_text(refusal_text(answer.plan, refusal), console)


def _show_text(text: Said, console: Console) -> None:
    for said in (text.message_zh, text.message_en, text.remedy_zh, text.remedy_en):
        if said:
            _say(console, Text("    " + printable(said, _LONGEST_TEXT)))


def _show_group(
    answer: Answer,
    group: Sequence[tuple[Finding, tuple[int, int]]],
    console: Console,
    details: int,
) -> None:
    first = group[0][0]
    text = rule_text(answer.plan, first.rule, first.code)
    style = _STYLES[first.severity]
    head = Text.assemble(
        "\n  ", (first.code, style), f" × {len(group):,}  ", (_SEVERITIES[first.severity], style),
        f"  {text.message_zh}",
    )  # fmt: skip
    _say(console, head)
    _say(console, Text("    " + text.message_en, style="dim"))
    if text.remedy_zh:
        _say(console, Text(f"    → {text.remedy_zh}"))
        _say(console, Text(f"      {text.remedy_en}", style="dim"))
    grid = Table.grid(padding=(0, 2))
    for _ in range(5):
        grid.add_column(no_wrap=True, overflow="ignore")
    for finding, (line, column) in islice(group, details):
        grid.add_row(*_detail(finding), f"{line}:{column}", _stands(finding))
    console.print(grid, soft_wrap=True)
    if len(group) > details:
        more = len(group) - details
        _say(console, Text(f"      …另有 {more:,} 項未列出 {more:,} more not listed", style="dim"))


def _detail(finding: Finding) -> tuple[Text, Text, Text]:
    order = "" if finding.order is None else f" 醫令 order {finding.order}"
    name = field_name(finding.field)[0]
    return (
        Text(f"      第 {finding.record} 筆 record {finding.record}{order}"),
        Text(f"{printable(without_ids(finding.field), _SHOWN_CHARACTERS)} {name}".rstrip()),
        Text(_value(finding)),
    )


def _stands(finding: Finding) -> str:
    return " ".join(standing_text(finding.stands)) if finding.stands else ""


def _value(finding: Finding) -> str:
    if finding.value is None:
        return "（沒有 absent）"
    shown = masked(finding.field, finding.value)
    if shown is None:
        return "（不顯示 not shown）"
    return f"「{printable(shown, _SHOWN_CHARACTERS)}」" if shown.strip() else "（空白 blank）"


def show_not_checked(answer: Answer, console: Console) -> None:
    """Print how many rules an offline check can't decide, and what they would need."""
    needs = Counter(need for _, need in answer.not_checked)
    if not needs:
        return
    listed = "、".join(f"{need} × {count}" for need, count in needs.most_common())
    text = f"未檢查 not checked: {needs.total()} 條規則 rules（需要 they need: {listed}）"
    _say(console, Text(text, style="dim"))
