"""A history as a table: a column a record in the order sent, a row a field that matters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.report.catalogue.fragment import fields_in
from pipeline.report.catalogue.records import ExampleRecord, example_record
from pipeline.report.texts import field_name
from rules.model import Base, Bilingual, History, Rule
from rules.read_histories import sent
from schemas import fields

_ALWAYS = frozenset(("H01", "M05"))
_TELLING = frozenset(("M07", "M11", "M15", "M16", "M26", "M29", "M33", "M34"))
"""Fields by which records of a history belong together or differ."""


@dataclass(frozen=True)
class Cell:
    """What a record says in a field, ``""`` for nothing. ``codes`` are the findings on it."""

    text: str
    codes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ToldField:
    """One field of every record, in the order sent."""

    field: str
    name: Bilingual
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ToldHistory:
    """Moments of receipt, fields and answers (``""``: nothing to say), one item a record."""

    received: tuple[str, ...]
    rows: tuple[ToldField, ...]
    answers: tuple[str, ...]


def told_histories(
    rules: Sequence[Rule], bases: Mapping[str, Base]
) -> tuple[ToldHistory | None, ToldHistory | None]:
    """The first history that breaks one of the rules, and the first that keeps the same rule."""
    for rule in rules:
        failing = [history for history in rule.histories if breaks(rule, history)]
        passing = [history for history in rule.histories if not breaks(rule, history)]
        if failing:
            kept = told(rule, passing[0], bases) if passing else None
            return told(rule, failing[0], bases), kept
    return None, None


def breaks(rule: Rule, history: History) -> bool:
    """Whether a history expects the finding of a rule."""
    finding = f"{rule.field}:{rule.current.code}"
    return any(finding in record.expect.split(";") for record in history.records)


def told(rule: Rule, history: History, bases: Mapping[str, Base]) -> ToldHistory:
    """A history with the fields that its rule speaks of and that set its records apart."""
    steps = sent(history, bases)
    records = [example_record(step, dict(bases)) for step in steps]
    answers = tuple(step.expect for step in steps)
    spoken = fields_in(f"{rule.field} {rule.current.summary.zh} {rule.current.remedy.zh}")
    changed = frozenset(field for step in steps for field in step.set)
    apart = frozenset(
        field for field in _TELLING if len({record.visit.get(field) for record in records}) > 1
    )
    shown = _ALWAYS | spoken | changed | apart
    return ToldHistory(
        tuple(f"{record.received:%Y-%m-%d %H:%M:%S}" for record in records),
        tuple(_rows(shown, records, answers)),
        answers,
    )


def _rows(
    shown: frozenset[str], records: Sequence[ExampleRecord], answers: Sequence[str]
) -> Iterator[ToldField]:
    for field in fields().values():
        if field.id not in shown or field.is_order:
            continue
        cells = tuple(
            Cell(record.visit.get(field.id, ""), _codes(field.id, answer))
            for record, answer in zip(records, answers, strict=True)
        )
        if any(cell.text or cell.codes for cell in cells):
            yield ToldField(field.id, Bilingual(*field_name(field.id)), cells)


def _codes(field: str, answer: str) -> tuple[str, ...]:
    return tuple(re.findall(rf"(?:^|;){field}:([A-Z0-9]+)", answer))
