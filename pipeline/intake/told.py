"""The outcome of one upload, as it is kept until the tables have it: its rows, not its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipeline.outcome import Refusal
from pipeline.settle import Settled, SettledPart
from schemas.tables import FINDINGS

_ROW_BYTES: Final = 3_000  # about what the row takes in memory
_FINDING_BYTES: Final = 200


@dataclass(frozen=True)
class Told:
    """Its row of ``uploads`` and its rows of ``findings``; ``refusal`` is why it could not be
    unpacked, for what was read at all the tables and the bytes tell."""

    row: dict[str, Any]
    findings: pa.Table
    refusal: Refusal | None = None

    @property
    def verdict(self) -> tuple[Any, pa.Table]:
        """What people were told of it."""
        return {**self.row, "sequence": None}, self.findings

    @property
    def size(self) -> int:
        """About how many bytes it takes."""
        return _ROW_BYTES + _FINDING_BYTES * len(self.findings)


def told_of(settled: Settled) -> dict[str, Told]:
    """The outcomes of a batch, by upload id."""
    told = dict[str, Told]()
    for part in settled.parts:
        told.update(_told_of_part(part))
    for one, refusal, row in settled.refused:
        told[one.upload_id] = Told(row, FINDINGS.empty_table(), refusal)
    return told


def _told_of_part(part: SettledPart) -> dict[str, Told]:
    batch = part.processed.batch
    upload = batch.record_upload[part.processed.findings.record]
    first = np.searchsorted(upload, np.arange(len(part.rows) + 1)).tolist()
    return {
        one.upload_id: Told(row, _slice(part, first[i], first[i + 1]))
        for i, (one, row) in enumerate(zip(part.uploads, part.rows, strict=True))
    }


def _slice(part: SettledPart, start: int, stop: int) -> pa.Table:
    return part.findings.slice(start, stop - start)
