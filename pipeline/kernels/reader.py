"""Reading one field's cells once, for everything a plan asks of them.

A reader is made per field when a plan is bound; reading a column gives its forms, its values where
the kind has values, and a label per cell that answers every pattern asked of the field's text.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pipeline.kernels import field as cells
from pipeline.kernels.automaton import BLANK_LABEL, Pattern, compile_patterns
from pipeline.kernels.jit import Int32, Int64, UInt8, UInt16
from rules.ops import EXACT_LENGTH, LONGEST_NUMBER, MAY_HOLD_CHINESE
from schemas import Field

_NO_LIMIT = 2**40
_READ_AS_NUMBERS = ("number", "date", "datetime")


@dataclass(frozen=True)
class Reading:
    """What a column of cells says. ``form`` uint8 (``pipeline.kernels.field``) and the set of
    forms ``seen``, as bits; ``labels`` uint16, 0 where blank or malformed; ``value`` int64, for
    kinds that have one."""

    form: UInt8
    seen: int
    labels: UInt16
    value: Int64 | None = None


class Reader:
    """Reads the cells of ``field`` and answers ``patterns`` about their text."""

    def __init__(self, field: Field, patterns: Iterable[Pattern]) -> None:
        shape = shape_of(field)
        self._kind = field.kind
        self._automaton = compile_patterns([*patterns, *([shape] if shape else [])])
        answers = self._automaton.answers
        self._asked = bool(answers)
        labels = int(self._automaton.label.max()) + 1
        fits = answers[shape] if shape else np.ones(labels, np.bool_)
        self._shape_form = np.where(fits, np.uint8(cells.FINE), np.uint8(cells.WRONG_TYPE))
        self._ascii_only = field.id not in MAY_HOLD_CHINESE
        exact = EXACT_LENGTH.get(field.kind)
        otherwise = LONGEST_NUMBER if field.kind == "number" else _NO_LIMIT
        self._shortest, self._longest = exact or 1, exact or field.max_length or otherwise

    def answers(self, pattern: Pattern, otherwise: int) -> UInt8:
        """The truth each label stands for; ``otherwise`` for blank and malformed."""
        answers = self._automaton.answers[pattern].astype(np.uint8)
        answers[BLANK_LABEL] = otherwise
        return answers

    def read(self, buffer: UInt8, offset: Int32, length: Int32) -> Reading:
        """Read a column of cells."""
        rows = offset.shape[0]
        form, labels = np.empty(rows, np.uint8), np.empty(rows, np.uint16)
        if self._kind in _READ_AS_NUMBERS:
            value = np.empty(rows, np.int64)
            read = cells.read_numbers if self._kind == "number" else cells.read_calendar
            seen = read(buffer, offset, length, self._longest, form, value)
            if self._asked:
                self._read_text(buffer, offset, length, np.empty_like(form), labels)
                labels *= form == cells.FINE
            return Reading(form, seen, labels, value)
        seen = self._read_text(buffer, offset, length, form, labels)
        if self._kind == "decimal":
            value = np.empty(rows, np.int64)
            cells.read_tenths(buffer, offset, length, form, value)
            return Reading(form, seen, labels, value)
        return Reading(form, seen, labels)

    def _read_text(
        self, buffer: UInt8, offset: Int32, length: Int32, form: UInt8, labels: UInt16
    ) -> int:
        automaton = self._automaton
        return cells.read_text(
            buffer, offset, length,
            automaton.byte_class, automaton.step, automaton.label, automaton.first_sink,
            self._shape_form, self._ascii_only, self._shortest, self._longest,
            labels, form,
        )  # fmt: skip


def shape_of(field: Field) -> Pattern | None:
    """The shape a field's text must have; ``None`` for code fields (their list says it all) and
    for kinds that are read as numbers."""
    shaped = field.shape and field.kind not in ("code", *_READ_AS_NUMBERS)
    return Pattern(shape=field.shape) if shaped else None
