"""One rule of the catalogue, for people and for machines."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from pipeline.report.explanation import SEVERITIES
from pipeline.report.texts import field_name
from rules.model import Rule


def rule_json(rule: Rule) -> dict[str, object]:
    """A rule as data; expressions stand as their author wrote them."""
    return {
        "rule": rule.id,
        "field": rule.field,
        "code": rule.current.code,
        "severity": rule.current.severity,
        "status": rule.status,
        "since": rule.since,
        "certainty": rule.certainty,
        "decided_by": rule.decided_by,
        "needs": rule.needs or None,
        "stops": rule.stops,
        "subsumes": list(rule.subsumes),
        "formats": rule.applies.formats,
        "kinds": rule.applies.kinds,
        "editions": [
            {
                "from": edition.start,
                "until": edition.until,
                "clock": edition.clock,
                "code": edition.code,
                "severity": edition.severity,
                "broken_when": edition.broken_when,
                "message_zh": edition.summary.zh,
                "message_en": edition.summary.en,
                "remedy_zh": edition.remedy.zh,
                "remedy_en": edition.remedy.en,
            }
            for edition in rule.editions
        ],
        "authority": [
            {"document": a.document, "section": a.section, "quote": a.quote or None}
            for a in rule.authority
        ],
    }


def show_rule(rule: Rule, console: Console) -> None:
    """Print one rule: what it says, when it is broken, where it comes from."""
    now = rule.current
    console.print(Text.assemble((rule.id, "bold"), f"  {now.code}  {SEVERITIES[now.severity]}"))
    for line in _lines(rule):
        console.print(Text(f"  {line}"), soft_wrap=True)


def _lines(rule: Rule) -> list[str]:
    now = rule.current
    lines = [
        f"{rule.field} {field_name(rule.field)[0]}".rstrip(),
        now.summary.zh,
        now.summary.en,
        f"→ {now.remedy.zh}",
        f"  {now.remedy.en}",
        f"判定於 decided by: {rule.decided_by} {rule.needs}".rstrip(),
    ]
    for edition in rule.editions:
        if edition.broken_when:
            dated = edition.start or edition.until
            when = f" {edition.start or '…'}–{edition.until or '…'}" if dated else ""
            lines.append(f"錯誤條件 broken when{when}: {' '.join(edition.broken_when.split())}")
    for source in rule.authority:
        quote = f"「{source.quote}」" if source.quote else ""
        lines.append(f"依據 source: {source.document} {source.section} {quote}".rstrip())
    lines.append(f"{rule.status}, since {rule.since}, {rule.certainty}")
    return lines
