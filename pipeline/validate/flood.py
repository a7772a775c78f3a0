"""PURE: uploads with more findings than can be told of one, which are refused as a whole.

Findings cost far more memory than the bytes that bring them about, so a flood is to be noticed
while it rises.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from pipeline.columns import Batch, Int32
from pipeline.limits import Limits

TOO_MANY: Final = "Z006"


class FloodError(Exception):
    """``uploads`` of the batch, by index, have too many findings."""

    def __init__(self, uploads: frozenset[int]) -> None:
        super().__init__(f"{len(uploads)} uploads with too many findings")
        self.uploads = uploads


def refuse_floods(batch: Batch, record: Int32, limits: Limits) -> None:
    """Raise ``FloodError`` if an upload has more findings than it may have.

    ``record`` is the row of the record of each broken rule; structural faults are counted here.
    """
    if len(record) + len(batch.faults.record) <= limits.most_findings(0):
        return
    sizes = (batch.stop - batch.start).tolist()
    most = np.array([limits.most_findings(size) for size in sizes], np.int64)
    found = _by_upload(batch, record) + _by_upload(batch, batch.faults.record)
    flooded = np.flatnonzero(found > most)
    if len(flooded):
        raise FloodError(frozenset(flooded.tolist()))


def _by_upload(batch: Batch, record: Int32) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.bincount(batch.record_upload[record], minlength=batch.uploads)
