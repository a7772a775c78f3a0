"""What an error code means: the insurer's code, and the rules that answer with it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from pipeline.report.catalogue.entries import STATES, Entry, entries
from pipeline.report.catalogue.families import Family, families
from pipeline.report.catalogue.terminal import both, severity, tell, tell_briefly
from pipeline.report.texts import field_name
from rules.load import load_every_base
from rules.model import Rule
from schemas import every_field

_ASKED = re.compile(r"(?:(?P<field>[A-Z0-9]+)(?:\[[0-9]+\])?:)?(?P<code>[A-Z]*[0-9]*);?")
_MOST_IN_FULL = 3
_LOOKALIKES = str.maketrans("O", "0")  # no code has the letter


class UnknownCodeError(LookupError):
    """There is no such code or field; the message names the nearest."""


@dataclass(frozen=True)
class Explanation:
    """A code, the field it was asked for (empty: any) and the rules that report it there."""

    entry: Entry
    field: str
    families: tuple[Family, ...]


def explanations(asked: Iterable[str], rules: Sequence[Rule]) -> list[Explanation]:
    """Explain ``AA``, ``M15:AA`` or ``D05[1]:AF;``. Raises ``UnknownCodeError``."""
    known = {entry.code: entry for entry in entries(rules)}
    return [_explanation(one, known) for one in asked]


def _explanation(asked: str, known: dict[str, Entry]) -> Explanation:
    match = _ASKED.fullmatch(asked.strip().upper())
    code = match["code"] if match else asked.strip().upper().rpartition(":")[2]
    entry = known.get(code)
    if match is None or entry is None:
        near = difflib.get_close_matches(code.translate(_LOOKALIKES), known, cutoff=0.5)
        raise UnknownCodeError(f"沒有這個錯誤代碼 no such code: {asked}" + _nearest(near))
    field = match["field"] or ""
    places = {*every_field(), *(field for one in known.values() for field in one.fields)}
    if field and field not in places:
        near = difflib.get_close_matches(field, [*entry.fields, *places], cutoff=0.5)
        raise UnknownCodeError(f"沒有這個欄位 no such field: {asked}" + _nearest(near))
    if not field:
        return Explanation(entry, field, entry.families)
    there = [rule for rule in entry.rules if rule.field == field]
    return Explanation(entry, field, families(code, there, load_every_base()))


def _nearest(near: Sequence[str]) -> str:
    found = list(dict.fromkeys(near))
    return f"（是不是 did you mean: {'、'.join(found)}）" if found else ""


def explain(said: Explanation, console: Console) -> None:
    """Print an explanation; a few families of rules are told in full, many in a line each."""
    entry = said.entry
    head = Text.assemble((entry.code, "bold cyan"), "  ", (entry.meaning.zh, "bold"))
    for name in entry.severities if entry.state == "checked" else ():
        head.append("  ").append_text(severity(name))
    console.print(head, soft_wrap=True)
    console.print(Text(f"{'':{len(entry.code)}}  {entry.meaning.en}"), soft_wrap=True)
    for note in _notes(said):
        console.print(Text(f"  {note}", "yellow"), soft_wrap=True)
    console.print()
    in_full = len(said.families) <= _MOST_IN_FULL
    for family in said.families:
        (tell if in_full else tell_briefly)(family, console)
    if not in_full:
        example = f"nhi-upload explain {said.families[0].first.field}:{entry.code}"
        console.print(Text(f"  指定欄位看詳情 name a field for more: {example}\n", "dim"))


def _notes(said: Explanation) -> list[str]:
    entry = said.entry
    notes = []
    if entry.state != "checked":
        notes.append(both(STATES[entry.state]))
    if entry.merged_into:
        notes.append(f"本系統以 {entry.merged_into} 回報 reported as {entry.merged_into}")
    if not said.families:
        where = " ".join((said.field, field_name(said.field)[0])).strip()
        notes.append(f"沒有規則在 {where} 回報這個代碼 no rule reports it on {said.field}")
        notes.append(f"會回報在 it is reported on: {' '.join(entry.fields)}")
    return notes


def explanation_json(said: Explanation) -> dict[str, object]:
    """An explanation for machines."""
    entry = said.entry
    return {
        "code": entry.code,
        "field": said.field or None,
        "meaning_zh": entry.meaning.zh,
        "meaning_en": entry.meaning.en,
        "state": entry.state,
        "reported_as": entry.merged_into or None,
        "rules": [
            {
                "rule": rule.id,
                "field": rule.field,
                "severity": rule.current.severity,
                "status": rule.status,
                "certainty": rule.certainty,
                "decided_by": rule.decided_by,
                "message_zh": rule.current.summary.zh,
                "message_en": rule.current.summary.en,
                "remedy_zh": rule.current.remedy.zh,
                "remedy_en": rule.current.remedy.en,
            }
            for family in said.families
            for rule in family.rules
        ],
    }
