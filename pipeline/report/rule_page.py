"""One rule of the catalogue, for people and for machines."""

from __future__ import annotations

from rich.console import Console

from pipeline.report.catalogue.families import families
from pipeline.report.catalogue.terminal import tell
from pipeline.report.catalogue.words import iso_day
from rules.load import load_every_base
from rules.model import Bilingual, Edition, Rule


def rule_line(rule: Rule) -> str:
    """One line of a list for people."""
    now = rule.current
    return (
        f"{rule.id:<48} {now.code:<5} {rule.field:<4} {now.severity:<6} "
        f"{rule.decided_by:<9} {rule.status:<10} {now.summary.zh}"
    )


def rule_json(rule: Rule) -> dict[str, object]:
    """A rule in short, for lists: ``effective`` holds ISO days, half open, ``null`` unbounded."""
    now = rule.current
    return {
        "id": rule.id,
        "code": now.code,
        "severity": now.severity,
        "status": rule.status,
        "needs": rule.needs or None,
        "since": rule.since,
        "effective": [_effective(edition) for edition in rule.editions],
        "field": rule.field,
        "certainty": rule.certainty,
        "decided_by": rule.decided_by,
        "reason_zh": rule.reason.zh if rule.reason else None,
        "reason_en": rule.reason.en if rule.reason else None,
        "message_zh": now.summary.zh,
        "message_en": now.summary.en,
    }


def whole_rule_json(rule: Rule) -> dict[str, object]:
    """Everything about a rule; expressions and dates stand as their author wrote them."""
    return rule_json(rule) | {
        "stops": rule.stops,
        "subsumes": list(rule.subsumes),
        "formats": rule.applies.formats,
        "kinds": rule.applies.kinds,
        "why_zh": rule.why.zh if rule.why else None,
        "why_en": rule.why.en if rule.why else None,
        "editions": [
            {
                "from": edition.start,
                "until": edition.until,
                "clock": edition.clock,
                "code": edition.code,
                "severity": edition.severity,
                "broken_when": edition.broken_when,
                **_texts("message", edition.summary),
                **_texts("remedy", edition.remedy),
            }
            for edition in rule.editions
        ],
        "authority": [
            {"document": a.document, "section": a.section, "quote": a.quote or None}
            for a in rule.authority
        ],
    }


def show_rule(rule: Rule, console: Console) -> None:
    """Print one rule under each code it reports: what it says, when, why, and examples."""
    for code in dict.fromkeys(edition.code for edition in rule.editions):
        console.print(code, style="bold cyan")
        for family in families(code, [rule], load_every_base()):
            tell(family, console)


def _effective(edition: Edition) -> dict[str, str | None]:
    return {
        "from": edition.start and iso_day(edition.start),
        "until": edition.until and iso_day(edition.until),
        "clock": edition.clock,
    }


def _texts(name: str, text: Bilingual) -> dict[str, str]:
    return {f"{name}_zh": text.zh, f"{name}_en": text.en}
