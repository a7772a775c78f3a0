"""Uploads of exactly ten records each, as clinics' software sends them all day long."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random

from pipeline.generate import generate

TEN = 10
_RECORD = re.compile(rb"<REC>.*?</REC>\s*", re.DOTALL)
_MADE_OF = 125  # large uploads, of some hundred institutions


@dataclass(frozen=True)
class Small:
    """An upload of ten records and who sends it."""

    institution: str
    payload: bytes


def tens(uploads: int, seed: int, as_of: datetime, folder: Path) -> list[Small]:
    """At least so many uploads, of about a hundred institutions in turn; each one's in order.

    One record in fifty has a fault. ``folder`` is for the large uploads that they are cut from.
    """
    generate(uploads * TEN + _MADE_OF * 2 * TEN, _MADE_OF, seed, 0.02, folder, as_of)
    found = [list(_cut(path)) for path in sorted(folder.glob("*.xml"))]
    turns = [place for place, small in enumerate(found) for _ in small]
    Random(seed).shuffle(turns)  # repeatable, not secret
    coming = [iter(small) for small in found]
    return [next(coming[place]) for place in turns]


def _cut(path: Path) -> Iterator[Small]:
    payload, institution = path.read_bytes(), path.stem.rpartition("-")[2]
    records = list(_RECORD.finditer(payload))
    if not records:
        return
    head, tail = payload[: records[0].start()], payload[records[-1].end() :]
    for start in range(0, len(records) - TEN + 1, TEN):
        ten = b"".join(one[0] for one in records[start : start + TEN])
        yield Small(institution, head + ten + tail)
