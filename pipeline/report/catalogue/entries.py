"""The catalogue by error code: what each means, who decides it, and by which rules."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from pipeline.report.catalogue.families import FIELD, Family, families, is_planned
from pipeline.report.catalogue.words import SEVERITIES
from rules.codes import ErrorCode, error_codes
from rules.load import load_every_base
from rules.model import Base, Bilingual, Rule

State = Literal["checked", "planned", "merged", "outside"]
STATES = {
    "checked": Bilingual("已檢核", "checked"),
    "merged": Bilingual("併入其他代碼", "under another code"),
    "planned": Bilingual("準備中", "planned"),
    "outside": Bilingual("無法判定", "not decidable"),
}
_STANDS_IN = re.compile(r"reported as (\S+) here")


@dataclass(frozen=True)
class Entry:
    """One error code. ``meaning`` is the insurer's; for codes of ours the first rule's.

    ``merged_into`` is the code reported in its place, or empty. ``silenced_by`` are codes beside
    which this one is not reported, as they name the same defect.
    """

    code: str
    meaning: Bilingual
    insurer: ErrorCode | None
    families: tuple[Family, ...]
    state: State
    merged_into: str
    silenced_by: tuple[str, ...]

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """Every rule that may report it."""
        return tuple(rule for family in self.families for rule in family.rules)

    @property
    def headline(self) -> Bilingual:
        """The clearest short text: ours where one family says it all, else ``meaning``."""
        if len(self.families) == 1 and self.state == "checked":
            said = self.families[0].summary
            if said is not None and FIELD.zh not in said.zh:
                return said
        return self.meaning

    @property
    def severities(self) -> tuple[str, ...]:
        """Severities it is reported with, the worst first."""
        found = {e.severity for r in self.rules for e in r.editions if e.code == self.code}
        return tuple(severity for severity in SEVERITIES if severity in found)

    @property
    def decided_by(self) -> tuple[str, ...]:
        """Ways of deciding, each once."""
        return tuple(dict.fromkeys(rule.decided_by for rule in self.rules))

    @property
    def certainties(self) -> tuple[str, ...]:
        """Certainties, each once."""
        return tuple(dict.fromkeys(rule.certainty for rule in self.rules))

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields and elements it is reported on, each once, sorted."""
        return tuple(sorted({rule.field for rule in self.rules}))

    @property
    def initial(self) -> str:
        """The letter it is filed under; figures together."""
        return self.code[0] if self.code[0].isalpha() else "0–9"


def entries(rules: Sequence[Rule]) -> tuple[Entry, ...]:
    """An entry for each code of the insurer and of the rules: figures, then letters."""
    reporting: dict[str, list[Rule]] = {}
    silenced: dict[str, set[str]] = {}
    for rule in rules:
        for code in dict.fromkeys(edition.code for edition in rule.editions):
            reporting.setdefault(code, []).append(rule)
            for other in rule.subsumes:
                silenced.setdefault(other, set()).add(code)
    bases = load_every_base()
    known = error_codes()
    return tuple(
        _entry(code, known.get(code), reporting.get(code, ()), silenced.get(code, ()), bases)
        for code in sorted({*known, *reporting})
    )


def _entry(
    code: str,
    insurer: ErrorCode | None,
    rules: Sequence[Rule],
    silenced_by: Iterable[str],
    bases: dict[str, Base],
) -> Entry:
    if insurer is not None:
        meaning = Bilingual(insurer.meaning_zh, insurer.meaning_en)
    else:
        meaning = rules[0].current.summary
    into = _merged_into(rules)
    return Entry(
        code,
        meaning,
        insurer,
        families(code, rules, bases),
        "merged" if into else _state(insurer, rules),
        into,
        tuple(sorted({*silenced_by} - {code})),
    )


def _merged_into(rules: Sequence[Rule]) -> str:
    """The code named by a rule that says so, unless another rule does report this code."""
    if any(rule.decided_by != "outside" for rule in rules):
        return ""
    named = (_STANDS_IN.search(rule.current.summary.en) for rule in rules)
    return next((match[1] for match in named if match is not None), "")


def _state(insurer: ErrorCode | None, rules: Sequence[Rule]) -> State:
    """Checked if a rule in use decides it the way errors.csv says; a hint alone doesn't count.

    A preview with a condition is in use; one without is still to be written.
    """
    able = [rule for rule in rules if rule.decided_by != "outside" and rule.status != "removed"]
    if not able:
        return "outside"
    used = {way for rule in able if not is_planned(rule) for way in _ways(rule)}
    wanted = insurer.decidable_by if insurer is not None else ""
    return "checked" if wanted in used or (used and not wanted) else "planned"


def _ways(rule: Rule) -> list[str]:
    """How a rule decides, spelled as in errors.csv; one way a table."""
    if rule.decided_by != "reference":
        return [rule.decided_by]
    return [f"reference {table}" for table in rule.needs.split(", ")]
