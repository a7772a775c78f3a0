"""Byte offsets → line and column, for people and their editors."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
CODECS = {"big5": "cp950", "utf-8": "utf-8"}
_NEWLINE = 10


def line_columns(
    payload: npt.NDArray[np.uint8], offsets: Int64, encoding: str
) -> tuple[Int64, Int64]:
    """Line and column, both from 1, of byte ``offsets`` (any order) in a payload.

    A line ends with LF. Columns count characters of the document's ``encoding`` ("big5" or
    "utf-8"). An offset must stand between characters and inside the payload or at its end.
    """
    breaks = np.flatnonzero(payload == _NEWLINE)
    line = np.searchsorted(breaks, offsets, side="left")
    start = np.where(line > 0, breaks[np.maximum(line - 1, 0)] + 1, 0) if len(breaks) else line * 0
    column = offsets - start
    if np.any(payload >= 0x80):
        column = _in_characters(payload, start, offsets, CODECS[encoding])
    return line.astype(np.int64) + 1, column.astype(np.int64) + 1


def _in_characters(
    payload: npt.NDArray[np.uint8], starts: Int64, offsets: Int64, codec: str
) -> Int64:
    """Characters between each line start and its offset; every byte is decoded at most once."""
    columns = np.zeros(len(offsets), np.int64)
    at, column, start = 0, 0, -1
    for row in np.argsort(offsets, kind="stable").tolist():
        if starts[row] != start:
            start = int(starts[row])
            at, column = start, 0
        stop = int(offsets[row])
        column += len(payload[at:stop].tobytes().decode(codec, "replace"))
        at = stop
        columns[row] = column
    return columns
