"""Rows that come a few at a time, gathered into tables worth their fixed cost.

A table costs by column, whatever its rows: of one that came in hundreds of pieces, writing a row
took ten times as long, and letting go of the pieces stopped every other thread. So rows of all
places lie in tables together, and few small ones are ever left.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise, starmap
from typing import Final

import numpy as np
import pyarrow as pa

from pipeline.columns import Int64
from pipeline.merge.changes import Parted
from pipeline.store.groups import Place

Piece = Parted[Place]

SMALL_ROWS: Final = 1_000  # of the first table; what has as many is never copied
TOGETHER: Final = 16  # pieces that are joined


def gather(pieces: list[Piece], piece: Piece) -> None:
    """Add rows at the end of what was gathered, each time of the same tables."""
    pieces.append(piece)
    if len(pieces) < TOGETHER:
        return
    last = pieces[-TOGETHER:]
    if all(len(one.tables[0]) < SMALL_ROWS for one in last):
        pieces[-TOGETHER:] = [joined(last)]


def joined(pieces: Sequence[Piece]) -> Piece:
    """The same rows as one piece, those of each place in the order of the pieces."""
    places = sorted({place for piece in pieces for place in piece.where})
    tables, spans = [], []
    for number, parts in enumerate(zip(*(piece.tables for piece in pieces), strict=True)):
        table = pa.concat_tables(parts).combine_chunks()
        starts = [0, *accumulate(map(len, parts))]
        rows = [_rows(pieces, starts, place, number) for place in places]
        order = np.concatenate(rows) if rows else np.empty(0, np.int64)
        in_order = len(places) == 1 and len(order) == len(table)
        tables.append(table if in_order else table.take(pa.array(order)))
        spans.append(starmap(slice, pairwise([0, *accumulate(map(len, rows))])))
    return Parted(tuple(tables), dict(zip(places, zip(*spans, strict=True), strict=True)))


def _rows(pieces: Sequence[Piece], starts: Sequence[int], place: Place, table: int) -> Int64:
    """Where rows of a place are in a table that was joined."""
    found = [
        np.arange(start + at[table].start, start + at[table].stop)
        for piece, start in zip(pieces, starts, strict=False)
        if (at := piece.where.get(place))
    ]
    return np.concatenate(found)
