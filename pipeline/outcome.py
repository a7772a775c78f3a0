"""The answer to an upload: refusal, or verdicts with findings.

Three kinds of trouble, three kinds of thing: a *Refusal* (the upload as a whole can't be taken),
a *Finding* (a field of a record breaks a rule), an exception (a fault of ours).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Literal

import numpy as np
import numpy.typing as npt

Mode = Literal["official", "precheck"]
Decision = Literal["release", "drop"]
"""What becomes of a held upload."""
Channel = Literal["web-api", "vpn"]


class Verdict(IntEnum):
    """What became of a record or an order."""

    ACCEPTED = 0
    WARNED = 1
    REJECTED = 2


@dataclass(frozen=True)
class Envelope:
    """What is known of an upload besides its bytes.

    ``received_at`` is aware; ``institution`` the sender, ``None`` to take M05 of the first record;
    ``name`` is for people only. ``address`` is the IP address it came from, where that is known.
    """

    received_at: datetime
    institution: str | None = None
    channel: Channel = "web-api"
    mode: Mode = "official"
    name: str = ""
    address: str | None = None


@dataclass(frozen=True)
class Refusal:
    """Why an upload can't be taken. ``offset`` in bytes of the upload; line and column from 1.

    ``detail`` is what stood there, in words ("expected </REC>"), for both languages.
    """

    code: str
    offset: int
    line: int
    column: int
    detail_zh: str = ""
    detail_en: str = ""


@dataclass(frozen=True)
class Standing:
    """The version of a visit that stands after a correction of it was rejected."""

    upload_id: str
    record: int


@dataclass(frozen=True)
class Counts:
    """Counts of one upload, as document 001 shows them. Orders count on their own findings."""

    records: int = 0
    records_accepted: int = 0
    records_warned: int = 0
    records_rejected: int = 0
    orders: int = 0
    orders_accepted: int = 0
    orders_rejected: int = 0


@dataclass(frozen=True)
class Findings:
    """Findings as parallel columns, ordered by record, then order (-1 first), then field.

    ``record`` is a row of the batch; ``order`` the order's row *within its record* or -1;
    ``field`` indexes ``names``; ``rule`` indexes the plan's rules. ``offset``/``length`` are the
    place in the batch's buffer as received, ``value_offset``/``value_length`` the value (-1 where
    there is none).
    """

    record: npt.NDArray[np.int32]
    order: npt.NDArray[np.int32]
    field: npt.NDArray[np.int32]
    rule: npt.NDArray[np.int32]
    offset: npt.NDArray[np.int64]
    length: npt.NDArray[np.int32]
    value_offset: npt.NDArray[np.int64]
    value_length: npt.NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return int(self.record.shape[0])
