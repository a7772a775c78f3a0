"""Rules of one file that report one code, told together: what they share is said once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from pipeline.report.catalogue.fragment import Focus, Line, fields_in, fragment
from pipeline.report.catalogue.histories import ToldHistory, told_histories
from pipeline.report.catalogue.records import ExampleRecord, example_record
from pipeline.report.catalogue.words import applies_to, in_force
from pipeline.report.texts import field_name
from rules.model import Authority, Base, Bilingual, Edition, Example, Rule

T = TypeVar("T")
FIELD = Bilingual("〔欄位〕", "[field]")


@dataclass(frozen=True)
class Shown:
    """An example ready to show. ``answer`` is the receipt's text, empty where nothing is wrong.

    ``envelope`` tells what beside the record matters: when, by whom and from where it was sent;
    ``tables`` are the reference tables that are there, each row as ``column=value`` texts.
    """

    lines: tuple[Line, ...]
    answer: str
    envelope: tuple[tuple[Bilingual, str], ...]
    tables: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True)
class Wording:
    """One edition: when it counts (empty: always) and its condition (empty: none)."""

    in_force: Bilingual
    condition: str


@dataclass(frozen=True)
class Row:
    """What is a rule's own within its family."""

    rule: Rule
    name: Bilingual
    applies: Bilingual
    wordings: tuple[Wording, ...]


@dataclass(frozen=True)
class Family:
    """Rules of one file that report ``code``, in catalogue order; never empty.

    ``histories`` are those that break and keep a rule on stored uploads.
    """

    code: str
    rules: tuple[Rule, ...]
    failing: Shown | None
    passing: Shown | None
    histories: tuple[ToldHistory | None, ToldHistory | None]

    @property
    def first(self) -> Rule:
        """The rule that speaks for what all have in common."""
        return self.rules[0]

    @property
    def name(self) -> str:
        """The rule's id, or the id of the file that makes them all."""
        if len(self.rules) == 1:
            return self.first.id
        return self.first.id.rpartition("/")[0] + "/…"

    @cached_property
    def has_several_fields(self) -> bool:
        """Whether its rules report on different fields."""
        return len({rule.field for rule in self.rules}) > 1

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """One row a rule."""
        return tuple(
            Row(
                rule,
                Bilingual(*field_name(rule.field)),
                applies_to(rule.applies, rule.decided_by, rule.version),
                tuple(Wording(in_force(e), _condition(e)) for e in rule.editions),
            )
            for rule in self.rules
        )

    @cached_property
    def summary(self) -> Bilingual | None:
        """What all rules say, the field left open; ``None`` where they say different things."""
        return self._shared(lambda rule: rule.current.summary)

    @cached_property
    def remedy(self) -> Bilingual | None:
        """What to do, told like ``summary``."""
        return self._shared(lambda rule: rule.current.remedy)

    @cached_property
    def applies(self) -> Bilingual | None:
        """Who meets the rules, where it is the same for all."""
        return _only({row.applies for row in self.rows})

    @cached_property
    def wordings(self) -> tuple[Wording, ...] | None:
        """The conditions all share, with ``F`` for the field where there are several."""
        if not self.has_several_fields:
            return _only({row.wordings for row in self.rows})
        return _only(
            {
                tuple(
                    Wording(w.in_force, re.sub(rf"\b{row.rule.field}\b", "F", w.condition))
                    for w in row.wordings
                )
                for row in self.rows
            }
        )

    @property
    def authority(self) -> tuple[Authority, ...]:
        """Where it comes from; entries of the code table about other codes are left out."""
        sources = self.first.authority
        if not any(_in_code_table(source) and source.section == self.code for source in sources):
            return sources
        return tuple(s for s in sources if not _in_code_table(s) or s.section == self.code)

    @property
    def is_decidable(self) -> bool:
        """Whether anything here decides it, so that its life and certainty mean something."""
        return self.first.decided_by != "outside"

    @property
    def is_planned(self) -> bool:
        """Whether nothing evaluates it yet."""
        return is_planned(self.first)

    @property
    def is_uniform(self) -> bool:
        """Whether rules differ in field and formats only."""
        return None not in (self.summary, self.remedy, self.wordings)

    def _shared(self, text: Callable[[Rule], Bilingual]) -> Bilingual | None:
        if not self.has_several_fields:
            return _only({text(rule) for rule in self.rules})
        return _only({_without_field(text(rule), rule.field) for rule in self.rules})


def is_planned(rule: Rule) -> bool:
    """Whether a rule is announced, but neither a condition nor code of ours decides it yet."""
    return rule.status == "preview" and not rule.is_compiled


def families(code: str, rules: Iterable[Rule], bases: dict[str, Base]) -> tuple[Family, ...]:
    """The rules that report a code, by file; files with many rules first."""
    by_file: dict[Path, list[Rule]] = {}
    for rule in rules:
        by_file.setdefault(rule.path, []).append(rule)
    ordered = sorted(by_file.values(), key=lambda members: (-len(members), members[0].id))
    return tuple(_family(code, members, bases) for members in ordered)


def _family(code: str, rules: Sequence[Rule], bases: dict[str, Base]) -> Family:
    histories = told_histories(rules, bases)
    for rule in rules:
        own = [example for example in rule.examples if _breaks(example, rule, code)]
        if own:
            failing, passing = own[0], _nearest_passing(own[0], rule, code)
            return Family(
                code,
                tuple(rules),
                _shown(failing, rule, code, bases),
                None if passing is None else _shown(passing, rule, code, bases),
                histories,
            )
    return Family(code, tuple(rules), None, None, histories)


def _nearest_passing(failing: Example, rule: Rule, code: str) -> Example | None:
    """An example from the same base, else the base itself, which breaks no rule.

    Where reference tables decide, only an example with the same tables shows that a record
    passes; without them it isn't checked.
    """

    def setting(example: Example) -> tuple[object, ...]:
        return example.base, example.row, sorted(example.tables)

    for example in rule.examples:
        if setting(example) == setting(failing) and not _breaks(example, rule, code):
            return example
    if failing.tables:
        return None
    return replace(
        failing,
        expect="",
        received=None,
        sender=None,
        set={},
        unset=(),
        orders=(),
        add=(),
        drop=(),
        repeat=None,
        mint=False,
    )


def _breaks(example: Example, rule: Rule, code: str) -> bool:
    place = rf"(?:^|;){rule.field}(?:\[[0-9]+\])?:{code};"
    return re.search(place, example.expect) is not None


def _shown(example: Example, rule: Rule, code: str, bases: dict[str, Base]) -> Shown:
    record = example_record(example, bases)
    conditions = " ".join(edition.broken_when or "" for edition in rule.editions)
    focus = Focus(code, rule.field, fields_in(f"{conditions} {rule.field}"))
    return Shown(
        fragment(example, record, bases[example.base], focus),
        example.expect,
        tuple(_envelope(example, record, set(re.findall(r"[a-z_]+", conditions)))),
        tables=tuple((name, _rows(rows)) for name, rows in sorted(example.tables.items())),
    )


def _envelope(
    example: Example, record: ExampleRecord, read: set[str]
) -> Iterator[tuple[Bilingual, str]]:
    if example.received is not None or "received" in read:
        yield Bilingual("收件時間", "received"), record.received.isoformat(" ")
    if example.sender is not None or "sender" in read:
        yield Bilingual("寄件院所", "sender"), record.sender
    if example.precheck:
        yield Bilingual("上傳方式", "mode"), "precheck"
    if example.vpn:
        yield Bilingual("上傳管道", "channel"), "vpn"
    if example.address is not None:
        yield Bilingual("寄件位址", "from address"), example.address


def _rows(rows: Iterable[Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(" ".join(f"{k}={v}" for k, v in row.items() if v) for row in rows)


def _in_code_table(source: Authority) -> bool:
    return source.document == "errors.csv"


def _condition(edition: Edition) -> str:
    return " ".join((edition.broken_when or "").split())


def _without_field(text: Bilingual, field: str) -> Bilingual:
    """A text with its field's id and name taken out, so that texts of an ``each`` compare."""
    name_zh, name_en = field_name(field)
    zh = text.zh.replace(f"{field}（{name_zh}）", FIELD.zh)
    en = text.en.replace(f"{field} ({name_en})", FIELD.en)
    alone = re.compile(rf"(?<![A-Z0-9]){field}(?![A-Z0-9])")
    return Bilingual(alone.sub(FIELD.zh, zh), alone.sub(FIELD.en, en))


def _only(values: set[T]) -> T | None:
    return next(iter(values)) if len(values) == 1 else None
