"""PURE: accepted records → what the merge needs of each: key, person, action, institution, dates.

A visit's key is its treatment id; where that is a special code, which identifies nothing, the id
with institution, person and moment of the card. Either way it becomes two integers: the treatment
id itself, which fits, or a 128-bit digest, whose top bit no treatment id has.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.columns import Batch, Int32, Int64, UInt8
from pipeline.core import Processed
from pipeline.kernels import latest
from pipeline.outcome import Verdict
from schemas.fields import fields

UInt64 = npt.NDArray[np.uint64]

_DIGEST_MARK: Final = np.uint64(1 << 63)
_KEY_FIELDS: Final = ("M15", "M05", "M03", "M11")
_ACTION_OF_FORMAT: Final = {
    "A": latest.PUT,
    "B": latest.PUT,
    "C": latest.CANCEL,
    "D": latest.DELETE,
    "E": latest.UNCANCEL,
}


@dataclass(frozen=True)
class Candidates:
    """The accepted records of a batch, in sequence order, as parallel arrays.

    ``row`` is the record's row in the batch; ``key`` (n, 2) uint64; ``person`` a hash of the
    person, which decides the bucket; ``special`` 1 where the key is the composite; ``action`` one
    of PUT, DELETE, CANCEL, UNCANCEL; ``visit_day`` days since 1970-01-01 or ``NO_DAY``.
    """

    row: Int64
    key: UInt64
    person: npt.NDArray[np.uint32]
    special: UInt8
    action: UInt8
    visit_day: Int32

    def __len__(self) -> int:
        return int(self.row.shape[0])

    @property
    def visit_month(self) -> Int32:
        """year * 12 + month - 1 of the visit date; ``NO_MONTH`` where there is none."""
        return months(self.visit_day)


NO_MONTH: Final = 1 << 30


def months(days: Int32) -> Int32:
    """Days since 1970-01-01 as year * 12 + month - 1; ``NO_MONTH`` for ``NO_DAY``."""
    known = days != latest.NO_DAY
    month = np.where(known, days, 0).astype("datetime64[D]").astype("datetime64[M]")
    counted = month.astype(np.int64) + 1970 * 12
    return np.where(known, counted, NO_MONTH).astype(np.int32)


def month_of(day: date) -> int:
    """year * 12 + month - 1 of a day."""
    return day.year * 12 + day.month - 1


def candidates(processed: Processed) -> Candidates:
    """The records that passed validation, ready for the merge."""
    batch = processed.batch
    row = np.flatnonzero(processed.verdict != Verdict.REJECTED).astype(np.int64)
    key = np.empty((len(row), 2), np.uint64)
    person = np.empty(len(row), np.uint32)
    special = np.empty(len(row), np.uint8)
    latest.code_treatment_ids(batch.buffer, *_cells(batch, "M15", row), key, person, special)
    visit_day = np.empty(len(row), np.int32)
    latest.visit_days(batch.buffer, *_cells(batch, "M11", row), visit_day)
    for i in np.flatnonzero(special).tolist():
        key[i], person[i] = _composite(batch, int(row[i]))
    return Candidates(row, key, person, special, _actions(batch, row), visit_day)


def buckets_of(found: Candidates, buckets: int) -> set[int]:
    """The buckets whose persons these records are about."""
    return set(np.unique(found.person % np.uint32(buckets)).tolist())


def code_visit_keys(visit_keys: pa.StringArray) -> UInt64:
    """Stored visit keys as (n, 2) integers, the same as ``candidates`` gave for their records."""
    count = len(visit_keys)
    _, offsets, data = visit_keys.buffers()
    if not count:
        return np.empty((0, 2), np.uint64)
    offset = np.frombuffer(offsets, np.int32)[visit_keys.offset :][: count + 1]
    key, person = np.empty((count, 2), np.uint64), np.empty(count, np.uint32)
    special = np.empty(count, np.uint8)
    text = np.frombuffer(data or b"", np.uint8)
    latest.code_treatment_ids(text, offset[:-1].copy(), np.diff(offset), key, person, special)
    for i in np.flatnonzero(special).tolist():
        key[i] = _digest(visit_keys[i].as_py())
    return key


def composite_key(batch: Batch, row: int) -> str:
    """The visit key of a record whose treatment id is a special code."""
    return "".join(batch.value(False, fields()[name].index, row) or "" for name in _KEY_FIELDS)


def _cells(batch: Batch, name: str, row: Int64) -> tuple[Int32, Int32]:
    index = fields()[name].index
    return batch.visits.offset[index, row], batch.visits.length[index, row]


def _actions(batch: Batch, row: Int64) -> UInt8:
    offset, length = _cells(batch, "H01", row)
    table = np.full(256, latest.PUT, np.uint8)
    for letter, action in _ACTION_OF_FORMAT.items():
        table[ord(letter)] = action
    return table[np.where(length == 1, batch.buffer[offset], 0)]


def _composite(batch: Batch, row: int) -> tuple[tuple[np.uint64, np.uint64], int]:
    person = batch.value(False, fields()["M03"].index, row) or ""
    return _digest(composite_key(batch, row)), _hash_person(_as_in_id(person))


def _digest(visit_key: str) -> tuple[np.uint64, np.uint64]:
    high, low = np.frombuffer(blake2b(visit_key.encode(), digest_size=16).digest(), ">u8")
    return np.uint64(high) | _DIGEST_MARK, np.uint64(low)


def _as_in_id(person: str) -> bytes:
    """A person as characters 7-13 of a treatment id: two as they are, seven digits in base 34."""
    head, digits = person[:2], person[2:9]
    if not (digits.isascii() and digits.isdigit()):
        return person[:9].encode()
    number, out = int(digits), bytearray()
    for _ in range(5):
        number, digit = divmod(number, len(latest.ALPHABET))
        out.append(latest.ALPHABET[digit])
    return head.encode() + bytes(reversed(out))


def _hash_person(person: bytes) -> int:
    """FNV-1a, 32 bits: the same as the kernel's, so a person has one bucket whatever the key."""
    hashed = 2166136261
    for byte in person:
        hashed = (hashed ^ byte) * 16777619 & 0xFFFFFFFF
    return hashed
