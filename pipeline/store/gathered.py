"""Rows that come a few at a time, gathered into tables worth their fixed cost.

A table has its cost by column, whatever its rows: of one that came in hundreds of pieces, writing
a row took ten times as long, and letting go of the pieces stopped every other thread. So few small
pieces are ever left; joining them costs whoever adds them 0.1 ms a piece, without the interpreter.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from pipeline.store.groups import Rows

SMALL_ROWS: Final = 1_000  # of the first table; what has as many is never copied
TOGETHER: Final = 8  # pieces that are joined


def gather(pieces: list[Rows], rows: Rows) -> None:
    """Add rows at the end of what was gathered, each time with the same columns."""
    pieces.append(rows)
    if len(pieces) < TOGETHER:
        return
    last = pieces[-TOGETHER:]
    if all(len(piece[0]) < SMALL_ROWS for piece in last):
        pieces[-TOGETHER:] = [joined(last)]


def joined(pieces: list[Rows]) -> Rows:
    """The same rows as one piece."""
    return tuple(pa.concat_tables(tables).combine_chunks() for tables in zip(*pieces, strict=True))
