"""What kernels read while a plan runs over a batch: cells, and each field's text read once.

What several operations ask of one field is read on first demand and kept until ``forget``. A truth
column that is the same throughout is one of a few shared columns, ``same(scope, FALSE)`` and so
on; kernels look for those by identity, so that a check which can't apply, or which no cell breaks,
costs nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.columns import Batch, Cells
from pipeline.kernels import field as reading
from pipeline.kernels import lookup, truth
from pipeline.kernels.automaton import Pattern
from pipeline.kernels.jit import Int32, Int64, UInt8
from pipeline.kernels.reader import Reader, Reading
from pipeline.outcome import Envelope
from pipeline.references import NONE, References, Texts
from rules.ops import FALSE, TRUE, UNKNOWN
from rules.plan import Scope
from schemas import every_field

Column = npt.NDArray[Any]  # uint8 truths or int64 numbers, one value a record or order

_BLANK_BIT, _FINE_BIT = 1 << reading.BLANK, 1 << reading.FINE


@dataclass(frozen=True)
class Senders:
    """The sending institution of each upload: ASCII bytes, length -1 where it isn't known."""

    buffer: UInt8
    offset: Int32
    length: Int32


class Context:
    """One batch under evaluation.

    ``received`` is int64 (uploads,): seconds since 1970-01-01 on Taipei's clock. ``readers`` must
    have one for every field of the plan, that answers every pattern the plan asks. ``envelopes``
    are those of the uploads, for plans that ask of more than receipt and sender.
    """

    def __init__(
        self,
        batch: Batch,
        received: Int64,
        senders: Senders,
        readers: Mapping[str, Reader],
        references: References = NONE,
        envelopes: Sequence[Envelope] = (),
    ) -> None:
        self.batch = batch
        self.references = references
        self.envelopes = envelopes
        self.received = received
        self.senders = senders
        self._readers = readers
        self._rows = {"record": batch.visits.rows, "order": batch.orders.rows}
        self._absent: dict[str, npt.NDArray[np.bool_]] = {}
        self._readings: dict[str, Reading] = {}
        self._hashes: dict[str, Int64] = {}
        self._found: dict[str, dict[int, Int32]] = {}
        self._same: dict[tuple[str, int], UInt8] = {}
        self._unknown: dict[str, Int64] = {}

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

    def unknown(self, scope: Scope) -> Int64:
        """The shared number column that is unknown throughout."""
        if scope not in self._unknown:
            self._unknown[scope] = np.full(self._rows[scope], UNKNOWN, np.int64)
        return self._unknown[scope]

    def cells(self, name: str) -> tuple[Int32, Int32]:
        """Offsets and lengths of a field's cells in the batch's buffer."""
        field = every_field()[name]
        table = self.batch.orders if field.is_order else self.batch.visits
        return table.offset[field.index], table.length[field.index]

    def reading(self, name: str) -> Reading:
        """Forms, values and labels of a field's cells."""
        if name not in self._readings:
            self._readings[name] = self._read(name)
        return self._readings[name]

    def filled(self, name: str) -> UInt8:
        """Truth column: present, and not blank."""
        read = self.reading(name)
        if read.seen & _BLANK_BIT == 0 or read.seen == _BLANK_BIT:
            return self.same(scope_of(name), FALSE if read.seen in (0, _BLANK_BIT) else TRUE)
        filled: UInt8 = (read.form != reading.BLANK).view(np.uint8)
        return filled

    def fine(self, name: str) -> UInt8:
        """Truth column: filled and well formed."""
        read = self.reading(name)
        if read.seen in (_FINE_BIT, _BLANK_BIT):
            return self.same(scope_of(name), TRUE if read.seen == _FINE_BIT else FALSE)
        fine: UInt8 = (read.form == reading.FINE).view(np.uint8)
        return fine

    def value(self, name: str) -> Int64:
        """int64 values of a field's cells: number, day or moment by the field's kind."""
        value = self.reading(name).value
        if value is None:
            raise ValueError(f"{name} is text and has no value")
        return value

    def answer(self, name: str, pattern: Pattern, otherwise: int) -> UInt8:
        """Truth column: whether cells have ``pattern``; ``otherwise`` where blank or malformed."""
        read = self.reading(name)
        if read.seen in (0, _BLANK_BIT):
            return self.same(scope_of(name), otherwise)
        answers = self._readers[name].answers(pattern, otherwise)
        out = np.empty(read.labels.shape[0], np.uint8)
        return self.shared(scope_of(name), truth.answer_labels(read.labels, answers, out), out)

    def found(self, texts: Texts, name: str) -> Int32:
        """The code of a field's cells among the texts of a reference table, looked up once."""
        known = self._found.setdefault(name, {})
        if id(texts) not in known:
            if name not in self._hashes:
                self._hashes[name] = np.empty(len(self.cells(name)[0]), np.int64)
                lookup.hash_cells(
                    self.batch.buffer, *self.cells(name), self.fine(name), self._hashes[name]
                )
            known[id(texts)] = texts.find(self._hashes[name], self.batch.buffer, *self.cells(name))
        return known[id(texts)]

    def forget(self, name: str) -> None:
        """Let go of what was read of a field."""
        for kept in (self._readings, self._hashes, self._found):
            kept.pop(name, None)

    def _read(self, name: str) -> Reading:
        scope = scope_of(name)
        if scope not in self._absent:
            table = self.batch.orders if scope == "order" else self.batch.visits
            self._absent[scope] = _absent(table)
        if self._absent[scope][every_field()[name].index]:
            false = self.same(scope, FALSE)
            return Reading(false, _BLANK_BIT, false.astype(np.uint16), self.unknown(scope))
        return self._readers[name].read(self.batch.buffer, *self.cells(name))


def scope_of(name: str) -> Scope:
    """Where a field lives."""
    return "order" if every_field()[name].is_order else "record"


def _absent(cells: Cells) -> npt.NDArray[np.bool_]:
    """Which fields no row has."""
    absent: npt.NDArray[np.bool_] = np.all(cells.length < 0, axis=1)
    return absent
