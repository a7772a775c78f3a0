"""Rows that come a few at a time are few pieces, in order, and large ones are left alone."""

from __future__ import annotations

import random

import pyarrow as pa
import pytest

from pipeline.store.gathered import SMALL_ROWS, TOGETHER, Piece, gather, joined
from pipeline.store.groups import Place, Rows

HERE, THERE = ("2026-10", "1"), ("2026-11", "0")


def rows_from(first: int, count: int) -> Rows:
    """Visits and twice as many orders, numbered on."""
    return (
        pa.table({"visit": pa.array(range(first, first + count), pa.int64())}),
        pa.table({"order": pa.array(range(2 * first, 2 * (first + count)), pa.int64())}),
    )


def piece_from(first: int, counts: dict[Place, int]) -> Piece:
    """So many visits of each place, numbered on."""
    where, at = dict[Place, tuple[slice, ...]](), 0
    for place, count in counts.items():
        where[place] = slice(at, at + count), slice(2 * at, 2 * (at + count))
        at += count
    return Piece(rows_from(first, at), where)


@pytest.mark.parametrize("seed", range(5))
def test_rows_of_each_place_stay_in_order_and_are_few_pieces(seed: int) -> None:
    rng, pieces, there = random.Random(seed), list[Piece](), 0
    expected: dict[Place, list[int]] = {HERE: [], THERE: []}
    for _ in range(1_000):
        counts = {HERE: rng.choice((0, 1, 3, 40, SMALL_ROWS)), THERE: rng.choice((0, 2, 30))}
        counts = {place: count for place, count in counts.items() if count}
        for place, count in counts.items():
            expected[place] += range(there, there + count)
            there += count
        gather(pieces, piece_from(there - sum(counts.values()), counts))
    whole = joined(pieces)
    for place, numbers in expected.items():
        visits, orders = whole.at(place)
        assert visits["visit"].to_pylist() == numbers
        assert orders["order"].to_pylist() == [n for v in numbers for n in (2 * v, 2 * v + 1)]
    large = [piece for piece in pieces if len(piece.tables[0]) >= SMALL_ROWS]
    assert len(pieces) < TOGETHER * (len(large) + 1)


def test_what_comes_a_row_at_a_time_is_copied_until_it_is_large() -> None:
    pieces = list[Piece]()
    for first in range(3 * SMALL_ROWS):
        gather(pieces, Piece.of(HERE if first % 2 else THERE, rows_from(first, 1)))
    assert len(pieces) < 3 + TOGETHER
    assert all(table.column(0).num_chunks == 1 for piece in pieces for table in piece.tables)


def test_rows_that_were_left_out_are_gone_once_joined() -> None:
    pieces = [piece_from(10 * n, {HERE: 4, THERE: 6}).besides(HERE) for n in range(3)]
    whole = joined(pieces)
    assert list(whole.where) == [THERE]
    assert whole.tables[0]["visit"].to_pylist() == [*range(4, 10), *range(14, 20), *range(24, 30)]


def test_large_pieces_are_never_copied() -> None:
    given = [piece_from(0, {HERE: SMALL_ROWS, THERE: 1}) for _ in range(3 * TOGETHER)]
    pieces = list[Piece]()
    for piece in given:
        gather(pieces, piece)
    assert all(piece is one for piece, one in zip(pieces, given, strict=True))
