"""``Opcode``: what the insurer's envelope calls an upload by.

Clients cut out [0:14] the time, [20:30] the institution and [30:42] the SAM id, and take any
longer string. Here [14:20] are the microseconds, and behind all that stands the upload id, which
can't be guessed; so a download finds its upload without a table in between.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pipeline.taipei import TAIPEI
from pipeline.upload_ids import LENGTH

NO_UPLOAD: Final = "0" * LENGTH  # behind the Opcode of a connection test
_SAM_LENGTH: Final = 12
_OPCODE: Final = re.compile(
    rf"(?P<moment>[0-9]{{20}})(?P<institution>[0-9A-Z]{{10}})(?P<sam>[0-9A-Za-z ]{{{_SAM_LENGTH}}})"
    rf"(?P<upload>[0-9A-Z]{{{LENGTH}}})"
)


@dataclass(frozen=True)
class Opcode:
    """``moment``: 20 digits in Taipei's time, to the microsecond; ``sam`` padded with blanks."""

    moment: str
    institution: str
    sam: str
    upload_id: str

    def __str__(self) -> str:
        return f"{self.moment}{self.institution}{self.sam}{self.upload_id}"


def opcode_of(received_at: datetime, institution: str, sam: str, upload_id: str) -> Opcode:
    """The Opcode of an upload received at a moment (aware)."""
    moment = f"{received_at.astimezone(TAIPEI):%Y%m%d%H%M%S%f}"
    return Opcode(moment, institution, padded(sam), upload_id)


def padded(sam: str) -> str:
    """A SAM id of at most 12 characters as an Opcode has it."""
    return sam.ljust(_SAM_LENGTH)


def read_opcode(text: str) -> Opcode | None:
    """The parts of an Opcode of ours; ``None`` for anything else."""
    found = _OPCODE.fullmatch(text)
    return Opcode(*found.groups()) if found else None
