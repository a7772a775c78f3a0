"""PURE: treatment ids as keys of 128 bits, and what is read off a key.

A visit's key is its treatment id; where that is a special code, which identifies nothing, the id
with institution, person and moment of the card. ``kernels.ids`` says how the bits lie.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from hashlib import blake2b
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.columns import Batch, Int32, Int64, UInt8
from pipeline.kernels import ids, table
from schemas import V2, Version, version_in

UInt32 = npt.NDArray[np.uint32]
UInt64 = npt.NDArray[np.uint64]

NO_MONTH: Final = 1 << 30
FIRST_MONTH: Final = 2022 * 12
"""Visits before the format was in use share a partition, so that made-up dates make no files."""

KEY_FIELDS: Final = ("M15", "M05", "M03", "M11")
_SECOND_SHIFT, _MOMENT_SHIFT = np.uint64(33), np.uint64(ids.REST_BITS)
_SECONDS: Final = 34**5  # worth of the year's character
_NO_TEXT: Final = np.zeros(1, np.uint8)


class Column(NamedTuple):
    """Texts of one field: places in a buffer; ``length`` at most 0 where there is nothing."""

    buffer: UInt8
    offset: Int32
    length: Int32


Columns = Callable[[str], Column]


def columns_of_batch(batch: Batch, row: Int64) -> Columns:
    """The fields of some records of a batch, by their ids in 2.0, whatever version it is of."""
    version = version_in(batch.layout)

    def column(name: str) -> Column:
        if version.id_of(name) is None:
            return _nothing(len(row))
        index = version.own(name).index
        return Column(
            batch.buffer, batch.visits.offset[index, row], batch.visits.length[index, row]
        )

    return column


def columns_of_table(rows: pa.Table, version: Version = V2) -> Columns:
    """The string columns of a table, fields by their ids in 2.0; a null is nothing."""

    def column(name: str) -> Column:
        own = name if name in rows.column_names else version.id_of(name)
        if own is None:
            return _nothing(len(rows))
        texts = rows[own].combine_chunks()
        if len(texts) == texts.null_count:
            return _nothing(len(texts))
        _, offsets, data = texts.buffers()
        offset = np.frombuffer(offsets, np.int32)[texts.offset :][: len(texts) + 1]
        length = np.where(texts.is_valid().to_numpy(False), np.diff(offset), 0).astype(np.int32)
        return Column(np.frombuffer(data, np.uint8), offset[:-1].copy(), length)

    return column


def _nothing(count: int) -> Column:
    nothing = np.zeros(count, np.int32)
    return Column(_NO_TEXT, nothing, nothing)


def code_keys(column: Columns) -> tuple[UInt64, UInt8]:
    """Keys (n, 2), and which of them are treatment ids rather than special codes."""
    key, normal = code_ids(column("M15"))
    if not normal.all():
        m15, m05, m03, m11 = (column(name) for name in KEY_FIELDS)
        ids.code_composites(*m15, *m05, *m03, *m11, normal, key)
    return key, normal


def code_ids(column: Column) -> tuple[UInt64, UInt8]:
    """Keys of treatment ids (n, 2), and which are any; the others are 0."""
    key, normal = (
        np.empty((len(column.offset), 2), np.uint64),
        np.empty(len(column.offset), np.uint8),
    )
    ids.code_ids(*column, key, normal)
    return key, normal


def spell(key: UInt64) -> pa.StringArray:
    """Keys as treatment ids or special codes."""
    out = np.empty(len(key) * ids.ID_LENGTH, np.uint8)
    ids.spell_ids(np.ascontiguousarray(key), out)
    offsets = np.arange(len(key) + 1, dtype=np.int32) * ids.ID_LENGTH
    return pa.StringArray.from_buffers(len(key), pa.py_buffer(offsets), pa.py_buffer(out))


def pack(column: Column) -> UInt64:
    """Codes of institutions and practitioners as numbers; 0 for nothing."""
    out = np.empty(len(column.offset), np.uint64)
    ids.pack_codes(*column, out)
    return out


def pack_text(code: str) -> int:
    """One code as a number, as ``pack``."""
    text = np.frombuffer(code.encode() or b"\0", np.uint8)
    length = np.array([len(code.encode())], np.int32)
    return int(pack(Column(text, np.zeros(1, np.int32), length))[0])


def unpack(packed: int) -> str | None:
    """The code of a number; ``None`` for nothing and for what was no plain code."""
    letters = []
    while 0 < packed < 1 << 63:
        packed, letter = divmod(packed, ids.PACKED)
        letters.append("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[letter - 1])
    return "".join(reversed(letters)) or None


def buckets_of(key: UInt64, buckets: int) -> Int64:
    """The bucket of each key's person."""
    hashed = np.empty(len(key), np.uint32)
    ids.hash_persons(np.ascontiguousarray(key), hashed)
    return (hashed % np.uint32(buckets)).astype(np.int64)


def moment_parts(key: UInt64) -> UInt64:
    """The part of each key (n, 2) that all visits of a person at one second share."""
    return np.column_stack([key[:, 0], key[:, 1] >> _MOMENT_SHIFT])


def new_rows(sorted_rows: UInt64) -> npt.NDArray[np.bool_]:
    """Which of some sorted rows (n, 2) differ from the one before."""
    new: npt.NDArray[np.bool_] = (np.diff(sorted_rows, axis=0, prepend=~sorted_rows[:1]) != 0).any(
        axis=1
    )
    return new


def moment_keys(parts: UInt64) -> list[bytes]:
    """``moment_parts`` as keys of the state: nine bytes, in order of time."""
    spelled = np.empty((len(parts), 9), np.uint8)
    spelled[:, :8] = parts[:, 0].astype(">u8").view(np.uint8).reshape(-1, 8)
    spelled[:, 8] = parts[:, 1]
    return _cut(spelled)


def ledger_keys(key: UInt64) -> list[bytes]:
    """Keys of the state's ledger: sixteen bytes, in order of time."""
    return _cut(np.ascontiguousarray(key).astype(">u8").view(np.uint8).reshape(-1, 16))


def live_keys(owner: UInt64, month: Int32) -> list[bytes]:
    """Keys of the state's counts: institution and month, twelve bytes."""
    spelled = np.empty((len(owner), 12), np.uint8)
    spelled[:, :8] = owner.astype(">u8").view(np.uint8).reshape(-1, 8)
    spelled[:, 8:] = month.astype(">i4").view(np.uint8).reshape(-1, 4)
    return _cut(spelled)


def months(days: Int32) -> Int32:
    """Days since 1970-01-01 as year * 12 + month - 1; ``NO_MONTH`` for ``NO_DAY``."""
    known = days != ids.NO_DAY
    month = np.where(known, days, 0).astype("datetime64[D]").astype("datetime64[M]")
    counted = month.astype(np.int64) + 1970 * 12
    return np.where(known, counted, NO_MONTH).astype(np.int32)


def months_of_keys(key: UInt64) -> Int32:
    """year * 12 + month - 1 of the second in each key."""
    year, second = np.divmod((key[:, 0] >> _SECOND_SHIFT).astype(np.int64), _SECONDS)
    start = (year + (102 + 1911 - 1970)).astype("datetime64[Y]").astype("datetime64[D]")
    return months((start.astype(np.int64) + second // 86_400).astype(np.int32))


def month_of(day: date) -> int:
    """year * 12 + month - 1 of a day."""
    return day.year * 12 + day.month - 1


def month_text(month: int) -> str:
    """year * 12 + month - 1 as YYYY-MM; what is not of the format's time, 0000-00."""
    if not FIRST_MONTH <= month < NO_MONTH:
        return "0000-00"
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


class Numbering:
    """Numbers for keys (n, 2), from 0 in the order in which they are first asked for."""

    def __init__(self, room: int, seeded_by: bytes) -> None:
        self._seed = np.frombuffer(blake2b(seeded_by, digest_size=8).digest(), np.uint64)[0]
        size = 1 << max(4, (2 * room).bit_length())
        self._slots = np.full(size, table.NO_ENTRY, np.int32)
        self._keys = np.empty((size // 2, 2), np.uint64)
        self._count = 0

    @property
    def keys(self) -> UInt64:
        """The keys by number."""
        return self._keys[: self._count]

    def numbers(self, keys: UInt64) -> Int32:
        """The number of each key; new ones get the next."""
        if self._count + len(keys) > len(self._keys):
            self._grow(self._count + len(keys))
        out = np.empty(len(keys), np.int32)
        self._count = int(self._find_or_add(self._count, np.ascontiguousarray(keys), out))
        return out

    def _grow(self, room: int) -> None:
        present, size = self.keys.copy(), 1 << (2 * room).bit_length()
        self._slots = np.full(size, table.NO_ENTRY, np.int32)
        self._keys = np.empty((size // 2, 2), np.uint64)
        self._find_or_add(0, present, np.empty(len(present), np.int32))

    def _find_or_add(self, count: int, keys: UInt64, out: Int32) -> int:
        found: int = table.find_or_add(self._slots, self._keys, count, keys, self._seed, out)
        return found


def _cut(spelled: UInt8) -> list[bytes]:
    """Rows of bytes as separate keys."""
    width, whole = spelled.shape[1], spelled.tobytes()
    return [whole[at : at + width] for at in range(0, len(whole), width)]
