"""Rows that come a few at a time are few pieces, in order, and large ones are left alone."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from pipeline.store.gathered import SMALL_ROWS, TOGETHER, gather, joined
from pipeline.store.groups import Rows


def rows_from(first: int, count: int) -> Rows:
    """Visits and twice as many orders, numbered on."""
    return (
        pa.table({"visit": pa.array(range(first, first + count), pa.int64())}),
        pa.table({"order": pa.array(range(2 * first, 2 * (first + count)), pa.int64())}),
    )


@pytest.mark.parametrize("seed", range(5))
def test_rows_stay_in_order_and_are_few_pieces(seed: int) -> None:
    rng, pieces, there = random.Random(seed), list[Rows](), 0
    for _ in range(1_000):
        count = rng.choice((0, 1, 3, 40, SMALL_ROWS))
        gather(pieces, rows_from(there, count))
        there += count
    visits, orders = joined(pieces)
    assert visits["visit"].to_pylist() == list(range(there))
    assert orders["order"].to_pylist() == list(range(2 * there))
    large = [piece for piece in pieces if len(piece[0]) >= SMALL_ROWS]
    assert len(pieces) < TOGETHER * (len(large) + 1)


def test_what_comes_a_row_at_a_time_is_copied_until_it_is_large() -> None:
    pieces = list[Rows]()
    for first in range(3 * SMALL_ROWS):
        gather(pieces, rows_from(first, 1))
    assert len(pieces) < 3 + TOGETHER
    assert all(table.column(0).num_chunks == 1 for piece in pieces for table in piece)


def test_large_pieces_are_never_copied() -> None:
    given = [rows_from(SMALL_ROWS * number, SMALL_ROWS) for number in range(3 * TOGETHER)]
    pieces = list[Rows]()
    for rows in given:
        gather(pieces, rows)
    assert all(piece is rows for piece, rows in zip(pieces, given, strict=True))
