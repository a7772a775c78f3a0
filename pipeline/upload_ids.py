"""Upload ids: sortable by the moment of receipt, not to be guessed (as ULIDs are)."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS: Final = 80
LENGTH: Final = 26


def new_upload_id(received_at: datetime) -> str:
    """26 characters: 48 bits of milliseconds since 1970, then 80 random bits."""
    number = int(received_at.timestamp() * 1000) << _RANDOM_BITS | secrets.randbits(_RANDOM_BITS)
    return "".join(_ALPHABET[number >> shift & 31] for shift in range(5 * (LENGTH - 1), -1, -5))
