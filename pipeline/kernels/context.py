"""What kernels read while a plan runs over a batch: cells, and each field's text read once.

Whatever several operations ask of one field (its form, its value, the label its automaton gives)
is computed on first demand and kept until ``forget``. A truth column that is the same throughout
is one of two shared columns, ``same(scope, FALSE)`` and ``same(scope, TRUE)``; kernels look for
those by identity, so that a check which can't apply, or which no cell breaks, costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch
from pipeline.kernels import field as reading
from pipeline.kernels import truth
from pipeline.kernels.automaton import BLANK_LABEL, Automaton, Pattern
from pipeline.kernels.jit import Int32, Int64, UInt8, UInt16
from rules.ops import EXACT_LENGTH, FALSE, LONGEST_NUMBER, MAY_HOLD_CHINESE, TRUE
from rules.plan import Scope
from schemas import Field, fields

Column = npt.NDArray[Any]  # uint8 truths or int64 numbers, one value a record or order

_NO_LIMIT = 2**40
_TEXT_KINDS = ("code", "text", "treatment_id", "institution", "person", "decimal")


@dataclass(frozen=True)
class Senders:
    """The sending institution of each upload: ASCII bytes, length -1 where it isn't known."""

    buffer: UInt8
    offset: Int32
    length: Int32


class Context:
    """One batch under evaluation.

    ``received`` is int64 (uploads,): seconds since 1970-01-01 on Taipei's clock. ``automata``
    must hold one automaton for every field of the plan, answering every pattern it asks.
    """

    def __init__(
        self, batch: Batch, received: Int64, senders: Senders, automata: Mapping[str, Automaton]
    ) -> None:
        self.batch = batch
        self.received = received
        self.senders = senders
        self._automata = automata
        self._rows = {"record": batch.visits.rows, "order": batch.orders.rows}
        self._labels: dict[str, UInt16] = {}
        self._forms: dict[str, tuple[UInt8, int]] = {}
        self._values: dict[str, Int64] = {}
        self._same: dict[tuple[str, int], UInt8] = {}

    def rows(self, scope: Scope) -> int:
        """Records or orders of the batch."""
        return self._rows[scope]

    def same(self, scope: Scope, answer: int) -> UInt8:
        """The shared truth column that is ``answer`` throughout."""
        key = (scope, answer)
        if key not in self._same:
            self._same[key] = np.full(self._rows[scope], answer, np.uint8)
        return self._same[key]

    def shared(self, scope: Scope, seen: int, column: UInt8) -> UInt8:
        """``column``, or the shared one if the bits ``seen`` say that it is the same throughout."""
        if seen & (seen - 1) == 0:
            return self.same(scope, max(seen.bit_length() - 1, FALSE))
        return column

    def cells(self, name: str) -> tuple[Int32, Int32]:
        """Offsets and lengths of a field's cells in the batch's buffer."""
        field = fields()[name]
        table = self.batch.orders if field.is_order else self.batch.visits
        return table.offset[field.index], table.length[field.index]

    def form(self, name: str) -> UInt8:
        """uint8 forms of a field's cells (``pipeline.kernels.field``)."""
        if name not in self._forms:
            self._forms[name] = self._read(fields()[name])
        return self._forms[name][0]

    def forms_seen(self, name: str) -> int:
        """The set of forms a field's cells have, as bits."""
        self.form(name)
        return self._forms[name][1]

    def filled(self, name: str) -> UInt8:
        """Truth column: present, and not blank."""
        seen, blank = self.forms_seen(name), 1 << reading.BLANK
        if seen & blank == 0 or seen == blank:
            return self.same(scope_of(name), FALSE if seen in (0, blank) else TRUE)
        return (self.form(name) != reading.BLANK).view(np.uint8)

    def fine(self, name: str) -> UInt8:
        """Truth column: filled and well formed."""
        if self.forms_seen(name) == 1 << reading.FINE:
            return self.same(scope_of(name), TRUE)
        return (self.form(name) == reading.FINE).view(np.uint8)

    def value(self, name: str) -> Int64:
        """int64 values of a field's cells: number, day or moment by the field's kind."""
        self.form(name)  # reads both at once where the kind has a value
        if name not in self._values:
            raise ValueError(f"{name} is text and has no value")
        return self._values[name]

    def answer(self, name: str, pattern: Pattern, otherwise: int) -> UInt8:
        """Truth column: whether cells have ``pattern``; ``otherwise`` where blank or malformed."""
        self.form(name)
        answers = self._automata[name].answers[pattern].astype(np.uint8)
        answers[BLANK_LABEL] = otherwise
        labels = self._labels[name]
        out = np.empty(labels.shape[0], np.uint8)
        return self.shared(scope_of(name), truth.answer_labels(labels, answers, out), out)

    def forget(self, name: str) -> None:
        """Let go of what is kept of a field."""
        for kept in (self._labels, self._forms, self._values):
            kept.pop(name, None)

    def _read(self, field: Field) -> tuple[UInt8, int]:
        """Read a field's cells once: forms, values where its kind has them, labels of its text.

        Malformed text gets the label of blank: nothing may be concluded from either.
        """
        rows = self._rows[scope_of(field.id)]
        form, labels = np.empty(rows, np.uint8), np.empty(rows, np.uint16)
        if field.kind in _TEXT_KINDS or self._automata[field.id].answers:
            self._read_labels(field.id, labels)
        seen = self._read_form(field, labels, form)
        if seen >> reading.CHINESE:
            labels *= form == reading.FINE
        self._labels[field.id] = labels
        return form, seen

    def _read_labels(self, name: str, labels: UInt16) -> None:
        automaton = self._automata[name]
        reading.read_labels(
            self.batch.buffer, *self.cells(name), automaton.byte_class, automaton.step,
            automaton.label, automaton.first_sink, labels,
        )  # fmt: skip

    def _read_form(self, field: Field, labels: UInt16, form: UInt8) -> int:
        cells = (self.batch.buffer, *self.cells(field.id))
        if field.kind in _TEXT_KINDS and field.kind != "decimal":
            return self._read_text_form(field, labels, form)
        value = self._values[field.id] = np.empty(form.shape[0], np.int64)
        if field.kind == "decimal":
            seen = self._read_text_form(field, labels, form)
            reading.read_tenths(*cells, form, value)
            return seen
        if field.kind == "number":
            return reading.read_numbers(*cells, field.max_length or LONGEST_NUMBER, form, value)
        return reading.read_calendar(*cells, EXACT_LENGTH[field.kind], form, value)

    def _read_text_form(self, field: Field, labels: UInt16, form: UInt8) -> int:
        exact = EXACT_LENGTH.get(field.kind)
        shape = shape_of(field)
        answers = self._automata[field.id].answers
        fits = answers[shape] if shape else np.ones(1 << 16, np.bool_)
        shape_form = np.where(fits, np.uint8(reading.FINE), np.uint8(reading.WRONG_TYPE))
        shape_form[BLANK_LABEL] = reading.BLANK
        return reading.read_text_form(
            self.batch.buffer, *self.cells(field.id), labels, shape_form,
            field.id not in MAY_HOLD_CHINESE, exact or 1, exact or field.max_length or _NO_LIMIT,
            form,
        )  # fmt: skip


def scope_of(name: str) -> Scope:
    """Where a field lives."""
    return "order" if fields()[name].is_order else "record"


def shape_of(field: Field) -> Pattern | None:
    """The shape a field's text must have; ``None`` for kinds that are read otherwise."""
    shaped = field.shape and field.kind in _TEXT_KINDS and field.kind != "code"
    return Pattern(shape=field.shape) if shaped else None
