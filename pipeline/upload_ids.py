"""Upload ids: sortable by the moment of receipt, not to be guessed (as ULIDs are)."""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 80
LENGTH: Final = 26
MOMENT_LENGTH: Final = 10  # characters that tell the moment; the rest tells uploads apart
_SHAPE: Final = re.compile(rf"[0-7][{_ALPHABET}]{{{LENGTH - 1}}}")


def new_upload_id(received_at: datetime) -> str:
    """26 characters: 48 bits of milliseconds since 1970, then 80 random bits."""
    return _written(received_at, secrets.randbits(_RANDOM_BITS))


def upload_id_of(received_at: datetime, what: bytes) -> str:
    """An id that is the same, but for the moment, whenever the same thing is sent."""
    digest = blake2b(what, digest_size=_RANDOM_BITS // 8).digest()
    return _written(received_at, int.from_bytes(digest, "big"))


def least_upload_id(moment: datetime) -> str:
    """What no id of an upload received at a moment, or later, is below."""
    return _written(moment, 0)


def later_id(upload_id: str) -> str:
    """The id of the same thing, sent a millisecond later."""
    return _letters(number_of(upload_id) + (1 << _RANDOM_BITS))


def received_of(upload_id: str) -> datetime:
    """The moment that an id tells, in UTC, to the millisecond."""
    since = number_of(upload_id) >> _RANDOM_BITS
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=since)


def number_of(upload_id: str) -> int:
    """An id as a number of 128 bits."""
    number = 0
    for letter in upload_id:
        number = number << 5 | _ALPHABET.index(letter)
    return number


def is_upload_id(text: str) -> bool:
    """Whether a text has the shape of an upload id."""
    return _SHAPE.fullmatch(text) is not None


def _written(moment: datetime, low: int) -> str:
    return _letters(int(moment.timestamp() * 1000) << _RANDOM_BITS | low)


def _letters(number: int) -> str:
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))
