"""One row of the audit log: what it may hold, and its hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final

import orjson

from pipeline.report.masking import without_ids
from pipeline.taipei import TAIPEI

NO_HASH: Final = "0" * 64
_MAX_OBJECT: Final = 200
_MAX_VALUE: Final = 500
# Ids and hashes of ours, in which a run of digits is chance and not somebody's id.
_OURS: Final = re.compile(r"(?<![0-9A-Za-z])(0[0-9A-HJKMNP-TV-Z]{25}|[0-9a-f]{64})(?![0-9A-Za-z])")


@dataclass(frozen=True)
class AuditRow:
    """A row as it is kept. Texts, so that its hash is the same in every database.

    ``number`` counts from 1 without gaps; ``at`` is ISO in UTC; ``detail`` is JSON with sorted
    keys; ``previous`` is the hash of the row before, of the first one ``NO_HASH``; ``hash`` is
    SHA-256 in hexadecimal over the JSON array of all the others in this order.
    """

    number: int
    at: str
    who: str
    action: str
    object: str
    institution: str | None
    detail: str
    previous: str
    hash: str

    @property
    def moment(self) -> datetime:
        """When it was, in Asia/Taipei."""
        return datetime.fromisoformat(self.at).astimezone(TAIPEI)

    @property
    def details(self) -> dict[str, Any]:
        """The details as they were given, masked."""
        found: dict[str, Any] = orjson.loads(self.detail)
        return found

    def rehashed(self) -> str:
        """The hash that its other columns have."""
        return row_hash(
            self.number, self.at, self.who, self.action, self.object, self.institution,
            self.detail, self.previous,
        )  # fmt: skip


def row_hash(*columns: str | int | None) -> str:
    """SHA-256 over a JSON array, which no two different rows share."""
    return sha256(orjson.dumps(columns)).hexdigest()


def clean(text: str, most: int = _MAX_OBJECT) -> str:
    """A text as the log may hold it: people's ids masked, no control characters, not too long."""
    parts = _OURS.split(text)  # what is ours stands at the odd places
    shown = "".join(part if n % 2 else without_ids(part) for n, part in enumerate(parts))
    return "".join(c if c.isprintable() else "�" for c in shown[:most])


def clean_detail(detail: Mapping[str, Any]) -> str:
    """Details as canonical JSON, every text in them clean."""
    return orjson.dumps(_cleaned(detail), option=orjson.OPT_SORT_KEYS).decode()


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value, _MAX_VALUE)
    if isinstance(value, Mapping):
        return {clean(str(name)): _cleaned(one) for name, one in value.items()}
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)
    return clean(str(value), _MAX_VALUE)
