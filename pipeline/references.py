"""PURE: the reference tables that a verdict rests on, as one frozen snapshot.

Takes the columns of checked tables; gives columns that kernels look cells up in. Nothing here
reads files: ``pipeline.reference`` does. ``NONE`` is the snapshot without any table, in which
every lookup is unknown.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipeline.columns import Int32, Int64, UInt8
from pipeline.kernels import lookup
from rules.ops import UNKNOWN
from schemas.reference import HOLIDAYS

ALWAYS, NEVER = -(2**62), 2**62  # days: begins before, ends after every day
_SATURDAY = 5


@dataclass(frozen=True, eq=False)
class Texts:
    """Distinct texts; the code of a text is its row. See ``pipeline.kernels.lookup``."""

    known: UInt8
    first: Int32
    slots: Int64

    def __len__(self) -> int:
        return len(self.first) - 1

    def find(self, hashed: Int64, buffer: UInt8, offset: Int32, length: Int32) -> Int32:
        """The code of each cell's text, NOT_THERE, or NOT_USABLE where its hash says so."""
        out = np.empty(len(offset), np.int32)
        lookup.find(hashed, buffer, offset, length, self.known, self.first, self.slots, out)
        return out

    def codes(self, texts: Sequence[str | None]) -> Int32:
        """The code of each text; NOT_USABLE for ``None`` and blanks."""
        parts = [(text or "").encode() for text in texts]
        length = np.array([len(part) for part in parts], np.int32)
        offset = (np.cumsum(length) - length).astype(np.int32)
        usable = np.array([bool(part.strip()) for part in parts], np.uint8)
        buffer = np.frombuffer(b"".join(parts) + bytes(1), np.uint8)
        hashed = np.empty(len(parts), np.int64)
        lookup.hash_cells(buffer, offset, length, usable, hashed)
        return self.find(hashed, buffer, offset, length)


@dataclass(frozen=True, eq=False)
class Table:
    """One table. Key columns as dictionaries, keys numbered, periods in order of key and time.

    ``combined`` are the sorted combinations of codes of a table with several key columns, whose
    rows number its keys; ``first`` (keys + 1) the first period of each key; ``spans`` each
    period's first day and the day after its last; ``values`` int64 per period, UNKNOWN where blank.
    """

    version: str
    texts: tuple[Texts, ...]
    combined: Int64
    first: Int32
    spans: Int64
    values: Mapping[str, Int64]

    def keys(self, codes: Sequence[Int32], rows: int) -> Int32:
        """The number of each row's key, from the codes of its parts (NOT_THERE, NOT_USABLE)."""
        if len(codes) < 2:
            return codes[0] if codes else np.zeros(rows, np.int32)
        wanted = _combine(codes, self.texts)
        place = np.searchsorted(self.combined, wanted)
        there = place < len(self.combined)
        there[there] = self.combined[place[there]] == wanted[there]
        lowest = np.minimum.reduce(codes)
        key = np.where(there & (lowest >= 0), place, lookup.NOT_THERE).astype(np.int32)
        key[lowest == lookup.NOT_USABLE] = lookup.NOT_USABLE
        return key

    def periods(self, key: Int32, day: Int64) -> Int32:
        """The period of each row's key on its day, NOT_THERE, or NOT_USABLE."""
        out = np.empty(len(key), np.int32)
        lookup.period_on(key, day, self.first, self.spans, out)
        return out


@dataclass(frozen=True, eq=False)
class Calendar:
    """Working days of whole years. ``working_before`` (days + 1): see ``lookup.working_days``."""

    first_day: int
    working_before: Int64


@dataclass(frozen=True, eq=False)
class References:
    """A snapshot of tables by name."""

    tables: Mapping[str, Table] = field(default_factory=dict)

    @cached_property
    def versions(self) -> dict[str, str]:
        """The version of each table, by name."""
        return {name: table.version for name, table in sorted(self.tables.items())}

    @cached_property
    def calendar(self) -> Calendar | None:
        """The working days, where there is a table of holidays that isn't empty."""
        holidays = self.tables.get(HOLIDAYS)
        return _calendar(holidays) if holidays is not None and len(holidays.spans) else None


NONE = References()


def hash_of(versions: Mapping[str, str]) -> str | None:
    """16 hex digits that name the versions of tables; ``None`` where there is none."""
    if not versions:
        return None
    return hashlib.sha256(json.dumps(dict(sorted(versions.items()))).encode()).hexdigest()[:16]


def table_of(
    keys: Sequence[pa.Array], start: Int64, stop: Int64, values: Mapping[str, Int64], version: str
) -> Table:
    """A table from its columns: key texts, periods as days since 1970-01-01, values.

    Periods of a key must not overlap.
    """
    dictionaries = [column.dictionary_encode() for column in keys]
    texts = tuple(_texts(column.dictionary) for column in dictionaries)
    codes = [np.asarray(column.indices).astype(np.int32) for column in dictionaries]
    combined, key = np.empty(0, np.int64), np.zeros(len(start), np.int64)
    count = 1
    if len(codes) == 1:
        key, count = codes[0].astype(np.int64), len(texts[0])
    elif codes:
        combined, key = np.unique(_combine(codes, texts), return_inverse=True)
        count = len(combined)
    order = np.lexsort((start, key))
    return Table(
        version=version,
        texts=texts,
        combined=combined,
        first=np.searchsorted(key[order], np.arange(count + 1)).astype(np.int32),
        spans=np.column_stack([start, stop])[order].reshape(-1),
        values={name: column[order] for name, column in values.items()},
    )


def _texts(values: pa.StringArray) -> Texts:
    _, places, data = values.buffers()
    first, known = np.zeros(1, np.int32), np.zeros(1, np.uint8)
    if len(values):
        first = np.frombuffer(places, np.int32)[values.offset : values.offset + len(values) + 1]
        known = np.frombuffer(data, np.uint8)
    slots = np.full(1 << (2 * len(values)).bit_length(), lookup.FREE, np.int64)
    lookup.fill(known, first, slots)
    return Texts(known, first, slots)


def _combine(codes: Iterable[Int32], texts: Iterable[Texts]) -> Int64:
    """One number for the codes of all parts; nonsense where one is negative."""
    total = np.zeros(1, np.int64)
    for column, known in zip(codes, texts, strict=True):
        total = total * len(known) + column
    return total


def _calendar(holidays: Table) -> Calendar:
    """Mondays to Fridays that are no holiday, and the make-up workdays, of the years listed."""
    spans = holidays.spans.reshape(-1, 2)
    first = np.datetime64(int(spans[:, 0].min()), "D").astype("datetime64[Y]")
    last = np.datetime64(int(spans[:, 1].max()) - 1, "D").astype("datetime64[Y]") + 1
    days = np.arange(first.astype("datetime64[D]"), last.astype("datetime64[D]"))
    first_day = int(days[0].astype(np.int64))
    working = (days.astype(np.int64) + 3) % 7 < _SATURDAY  # 1970-01-01 was a Thursday
    for (start, stop), is_working in zip(
        spans - first_day, holidays.values["working"], strict=True
    ):
        working[start:stop] = is_working == 1
    return Calendar(first_day, np.concatenate([[0], np.cumsum(working)]).astype(np.int64))


def bounded(days: Int64) -> Int64:
    """First days, unknown where there is none."""
    return np.where(days <= ALWAYS, UNKNOWN, days)
