"""What an error code means: the insurer's code, and the rules that answer with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from pipeline.report.texts import field_name
from rules.codes import ErrorCode, error_codes
from rules.plan import Plan, PlannedRule

_ASKED = re.compile(r"(?:(?P<field>[A-Z0-9]+)(?:\[[0-9]+\])?:)?(?P<code>[A-Z]*[0-9]*);?")
_MOST_IN_FULL = 3
SEVERITIES = {
    "refuse": "整批退件 refuse the upload",
    "reject": "退件 reject the record",
    "warn": "提示，仍收下 warn, still taken",
}


class UnknownCodeError(LookupError):
    """No rule and no code of the insurer has this name; the message names the nearest."""


@dataclass(frozen=True)
class Explanation:
    """A code, the field it was asked for (empty: any) and the rules that report it there."""

    code: str
    field: str
    meaning: ErrorCode | None
    rules: Sequence[PlannedRule]


def explanation(asked: str, plan: Plan) -> Explanation:
    """Explain ``AA``, ``M15:AA`` or ``D05[1]:AF;``. Raises ``UnknownCodeError``."""
    match = _ASKED.fullmatch(asked.strip().upper())
    code = match["code"] if match else ""
    rules = [plan.rules[index] for index in plan.by_code.get(code, ())]
    meaning = error_codes().get(code)
    if match is None or (meaning is None and not rules):
        near = difflib.get_close_matches(code or asked, {*error_codes(), *plan.by_code})
        raise UnknownCodeError(f"沒有這個錯誤代碼 no such code: {asked}" + _nearest(near))
    field = match["field"] or ""
    return Explanation(code, field, meaning, [r for r in rules if field in ("", r.field)])


def _nearest(near: Sequence[str]) -> str:
    return f"（是不是 did you mean: {'、'.join(near)}）" if near else ""


def explain(said: Explanation, console: Console) -> None:
    """Print an explanation; several rules with one code are listed, a few are told in full."""
    head = Text.assemble((said.code, "bold"))
    if said.meaning is not None:
        head.append(f"  {said.meaning.meaning_zh} {said.meaning.meaning_en}")
    console.print(head, soft_wrap=True)
    if not said.rules:
        where = f"{said.field} 上" if said.field else ""
        _say(console, f"  本系統{where}沒有規則回報這個代碼 no rule of ours reports it here")
    for rule in said.rules:
        _explain_rule(rule, console, in_full=len(said.rules) <= _MOST_IN_FULL)


def _explain_rule(rule: PlannedRule, console: Console, *, in_full: bool) -> None:
    place = " ".join((rule.field, field_name(rule.field)[0])).strip()
    line = f"  {place}  {SEVERITIES.get(rule.severity, rule.severity)}  （{rule.id}）"
    if not in_full:
        _say(console, f"{line}  {rule.summary_zh}")
        return
    _say(console, line)
    for text in (rule.summary_zh, rule.summary_en):
        _say(console, f"    {text}")
    if rule.remedy_zh:
        _say(console, f"    → {rule.remedy_zh}")
        _say(console, f"      {rule.remedy_en}")
    if rule.node is None:
        _say(console, f"    判定於 decided by: {rule.decided_by} {rule.needs}".rstrip())


def _say(console: Console, line: str) -> None:
    console.print(Text(line), soft_wrap=True)


def explanation_json(said: Explanation) -> dict[str, object]:
    """An explanation for machines."""
    meaning = said.meaning
    return {
        "code": said.code,
        "field": said.field or None,
        "meaning_zh": meaning.meaning_zh if meaning else None,
        "meaning_en": meaning.meaning_en if meaning else None,
        "rules": [
            {
                "rule": rule.id,
                "field": rule.field,
                "severity": rule.severity,
                "decided_by": rule.decided_by,
                "message_zh": rule.summary_zh,
                "message_en": rule.summary_en,
                "remedy_zh": rule.remedy_zh,
                "remedy_en": rule.remedy_en,
            }
            for rule in said.rules
        ],
    }
