"""The catalogue asked by people: a code, a line of an answer (``M15:AA;D05[1]:AF;``), or words.

Nothing here changes; ``catalogue()`` reads the rules once (about a second).
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final

from pipeline.report.catalogue.entries import Entry, entries
from pipeline.report.catalogue.families import Family, families
from rules.load import load_every_base, load_every_rule
from rules.model import Rule

_FINDING: Final = re.compile(r"(?P<field>[A-Z]+[0-9]*)(?:\[[0-9]+\])?:(?P<code>[A-Z]*[0-9]*);?")
_LOOKALIKES: Final = str.maketrans("O", "0")  # no code has the letter
_MOST_NEAR: Final = 4
_MOST_WORDS: Final = 8


@dataclass(frozen=True)
class Asked:
    """A code, and the field it is asked for (empty: any)."""

    code: str
    field: str = ""


@dataclass(frozen=True)
class Catalogue:
    """Every error code, as ``entries`` tells them, and every rule."""

    entries: tuple[Entry, ...]
    rules: tuple[Rule, ...]

    @cached_property
    def by_code(self) -> dict[str, Entry]:
        """Code → entry."""
        return {entry.code: entry for entry in self.entries}

    @cached_property
    def by_id(self) -> dict[str, Rule]:
        """Rule id → rule."""
        return {rule.id: rule for rule in self.rules}

    def entry(self, code: str) -> Entry | None:
        """The entry of a code, however it was typed: ``aa``, ``zo01`` for Z001."""
        typed = _folded(code).upper()
        return self.by_code.get(typed) or self.by_code.get(typed.translate(_LOOKALIKES))

    def near(self, code: str) -> list[Entry]:
        """The entries whose codes look most like one that isn't there."""
        typed = _folded(code).upper().translate(_LOOKALIKES)[:10]
        found = difflib.get_close_matches(typed, self.by_code, _MOST_NEAR, 0.5)
        return [self.by_code[name] for name in found]

    def asked(self, text: str) -> list[Asked]:
        """The codes a text names and nothing else: a code, or findings as answers write them.

        Codes that are not in the catalogue are left out; empty where the text is something else.
        """
        typed = _folded(text).upper()
        entry = self.entry(typed)
        if entry is not None:
            return [Asked(entry.code)]
        parts = typed.replace(";", "; ").split()
        matches = [_FINDING.fullmatch(part) for part in parts]
        named = [
            Asked(entry.code, match["field"])
            for match in matches
            if match and (entry := self.by_code.get(match["code"])) is not None
        ]
        return list(dict.fromkeys(named)) if all(matches) else []

    def families(self, entry: Entry, field: str) -> tuple[Family, ...]:
        """The rules that report a code on a field, all of them where none reports it there."""
        there = [rule for rule in entry.rules if rule.field == field.upper()]
        return families(entry.code, there, load_every_base()) if there else entry.families

    def search(self, text: str) -> list[Entry]:
        """The entries a text asks for, or that say all of its words; all for a blank one."""
        named = self.asked(text)
        if named:
            return [self.by_code[code] for code in dict.fromkeys(one.code for one in named)]
        words = _words(text)
        return [e for e, said in zip(self.entries, self._texts, strict=True) if _says(said, words)]

    def search_rules(self, text: str) -> list[Rule]:
        """The rules that say all the words of a text, in the order of their ids."""
        words = _words(text)
        return [rule for rule in self.rules if _says(_folded(_rule_text(rule)).lower(), words)]

    @cached_property
    def _texts(self) -> tuple[str, ...]:
        return tuple(_folded(_entry_text(entry)).lower() for entry in self.entries)


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with the package."""
    rules = load_every_rule()
    return Catalogue(entries(rules), rules)


def rule_families(rule: Rule) -> list[tuple[str, Family]]:
    """One rule under each code it reports."""
    codes = dict.fromkeys(edition.code for edition in rule.editions)
    bases = load_every_base()
    return [(code, family) for code in codes for family in families(code, [rule], bases)]


def _says(said: str, words: Iterable[str]) -> bool:
    return all(word in said for word in words)


def _words(text: str) -> Sequence[str]:
    return re.sub("[:;]", " ", _folded(text).lower()).split()[:_MOST_WORDS]


def _folded(text: str) -> str:
    """Full-width letters and figures as plain ones."""
    return unicodedata.normalize("NFKC", text).strip()


def _entry_text(entry: Entry) -> str:
    said = [entry.code, entry.meaning.zh, entry.meaning.en, *entry.fields]
    return " ".join((*said, *(_rule_text(rule) for rule in entry.rules)))


def _rule_text(rule: Rule) -> str:
    now = rule.current
    texts = (now.summary, now.remedy)
    said = (text for pair in texts for text in (pair.zh, pair.en))
    return " ".join((rule.id, now.code, rule.field, *said))
