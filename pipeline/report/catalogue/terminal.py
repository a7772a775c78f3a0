"""Families of rules told on a terminal: 繁體中文 first, English second."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from pipeline.report.catalogue.families import Family, Shown, Wording
from pipeline.report.catalogue.fragment import Line, State
from pipeline.report.catalogue.histories import ToldHistory
from pipeline.report.catalogue.words import CERTAINTIES, DECIDED_BY, SEVERITIES, STATUSES
from rules.model import Bilingual

_STYLES: dict[State, str] = {
    "plain": "",
    "cut": "dim",
    "good": "green",
    "bad": "bold red",
    "missing": "bold red",
    "also": "yellow",
}
_SEVERITY_STYLES = {"refuse": "bold magenta", "reject": "bold red", "warn": "bold yellow"}
_STEP = "  "
_MOST_NAMED = 8


def severity(name: str) -> Text:
    """A severity in both languages, coloured."""
    return Text(both(SEVERITIES[name]), _SEVERITY_STYLES[name])


def both(text: Bilingual) -> str:
    """Both languages on one line."""
    return f"{text.zh} {text.en}".strip()


def tell(family: Family, console: Console) -> None:
    """What a family says, what to do, why, and its examples."""
    for line in (*_head(family), *_said(family), *_places(family), *_facts(family)):
        console.print(Text(_STEP) + line, soft_wrap=True)
    for shown, is_failing in ((family.failing, True), (family.passing, False)):
        if shown is not None:
            for line in _example(shown, is_failing=is_failing):
                console.print(Text(_STEP) + line, soft_wrap=True)
    for told, is_failing in zip(family.histories, (True, False), strict=True):
        if told is not None:
            for line in _history(told, is_failing=is_failing):
                console.print(Text(_STEP) + line, soft_wrap=True)
    console.print()


def tell_briefly(family: Family, console: Console) -> None:
    """One line: where, what, which rules."""
    said = family.summary or family.first.current.summary
    fields = sorted({rule.field for rule in family.rules})
    where = " ".join(fields) if len(fields) <= 3 else f"{' '.join(fields[:3])} +{len(fields) - 3}"
    line = Text.assemble(
        _STEP, (f"{where:<16}", "bold"), f" {said.zh}", (f"  {family.name}", "dim")
    )
    console.print(line, soft_wrap=True)


def _head(family: Family) -> Iterator[Text]:
    rule = family.first
    count = len(family.rules)
    where = f"{rule.field} {both(family.rows[0].name)}".strip()
    if count > 1:
        where = f"{count} 條規則 rules"
    yield Text.assemble(
        (family.name, "bold cyan"), "  ", where, "  ", severity(rule.current.severity)
    )


def _said(family: Family) -> Iterator[Text]:
    if family.summary is not None:
        yield Text(family.summary.zh, "bold")
        yield Text(family.summary.en)
    if family.remedy is not None:
        yield Text.assemble(("→ ", "green"), family.remedy.zh)
        yield Text.assemble(("→ ", "green"), family.remedy.en)


def _places(family: Family) -> Iterator[Text]:
    if len(family.rules) == 1:
        return
    if family.is_uniform and len(family.rules) > _MOST_NAMED:
        yield Text(f"{_STEP}{' '.join(sorted(rule.field for rule in family.rules))}", "bold")
        return
    for row in family.rows:
        line = Text.assemble((f"  {row.rule.field:<4}", "bold"), row.name.zh)
        if family.summary is None:
            line.append(f"  {both(row.rule.current.summary)}")
        yield line.append(f"  {row.rule.id}", "dim")
        for wording in row.wordings if family.wordings is None else ():
            yield from (Text("       ") + fact for fact in _condition(wording))


def _facts(family: Family) -> Iterator[Text]:
    rule = family.first
    needs = f"（{rule.needs}）" if rule.needs not in ("", rule.decided_by) else ""
    if family.is_decidable:
        yield _fact("判定 decided by", both(DECIDED_BY[rule.decided_by]) + needs)
    if family.applies is not None and family.is_decidable:
        yield _fact("對象 who", both(family.applies))
    if rule.reason is not None:
        yield _fact("不檢核的理由 why not", both(rule.reason))
    if rule.why is not None:
        yield _fact("原因 why", both(rule.why))
    for wording in family.wordings or ():
        yield from _condition(wording)
    if family.wordings and family.has_several_fields:
        yield _fact("F", "上列的欄位 the field listed above")
    if family.is_decidable:
        assumed = "yellow" if rule.certainty == "assumed" else ""
        yield _fact("確定程度 certainty", both(CERTAINTIES[rule.certainty]), assumed)
        yield _fact("狀態 status", f"{both(STATUSES[rule.status])}, since {rule.since}")
    for source in family.authority:
        quote = f"「{source.quote}」" if source.quote else ""
        yield _fact("依據 source", f"{source.document} {source.section} {quote}".rstrip())


def _condition(wording: Wording) -> Iterator[Text]:
    if wording.in_force.zh:
        yield _fact("期間 in force", both(wording.in_force))
    if wording.condition:
        yield _fact("條件 wrong when", wording.condition)


def _fact(label: str, value: str, style: str = "") -> Text:
    return Text.assemble((f"{label}: ", "dim"), (value, style))


def _example(shown: Shown, *, is_failing: bool) -> Iterator[Text]:
    if is_failing:
        yield Text(f"✗ 不通過 fails  {shown.answer}", "red")
    else:
        yield Text(f"✓ 通過 passes  {shown.answer}".rstrip(), "green")
    for label, value in shown.envelope:
        yield _fact(both(label), value)
    for name, rows in shown.tables:
        yield _fact("參考檔 reference table", f"{name}: {'; '.join(rows)}")
    for line in shown.lines:
        yield _xml(line)


def _history(told: ToldHistory, *, is_failing: bool) -> Iterator[Text]:
    """One line a record, one of what it says, one of the answer."""
    order = "，依序上傳 uploaded in this order" if len(told.received) > 1 else ""
    if is_failing:
        yield Text(f"✗ 不通過 fails{order}", "red")
    else:
        yield Text(f"✓ 通過 passes{order}", "green")
    for number, (moment, answer) in enumerate(zip(told.received, told.answers, strict=True)):
        yield Text.assemble(
            (f"{_STEP}{number + 1}. ", "bold"), f"{moment}  ",
            (answer, "bold red") if answer else ("✓", "green"),
        )  # fmt: skip
        said = Text(_STEP * 3)
        for row in told.rows:
            cell = row.cells[number]
            if cell.text or cell.codes:
                said.append(f"{row.field}={cell.text or '—'} ", "red" if cell.codes else "dim")
        said.rstrip()
        yield said


def _xml(line: Line) -> Text:
    text = Text(_STEP * (line.depth + 1))
    for piece in line.pieces:
        missing = " 沒有填 missing" if piece.state == "missing" else ""
        text.append(piece.text + missing, _STYLES[piece.state])
        if piece.codes:
            text.append(f" ✗{' '.join(piece.codes)} ", "bold")
    text.rstrip()
    return text
