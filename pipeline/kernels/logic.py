"""Kleene and, or and not over many columns at once: a circuit, evaluated block of rows by block.

A plan has a thousand such nodes. One by one from Python they would cost a small batch a hundred
times what their work is. A node that is the same throughout a block costs nothing there.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import uint8

from pipeline.kernels.jit import Int32, Int64, UInt8, helper, i32, i64, kernel, scalar, u8
from rules.ops import FALSE, MAYBE, TRUE

AND, OR, NOT = range(3)
MIXED = 3
"""Of a column: not the same answer throughout."""
BLOCK = 1024
_SEEN_TRUE = 1 << TRUE

Matrix = npt.NDArray[np.uint8]
_matrix = uint8[:, ::1]


@helper
def _said(seen: int) -> int:
    """The one answer that was seen, or MIXED."""
    if seen == 1 << FALSE:
        return FALSE
    if seen == 1 << TRUE:
        return TRUE
    return MAYBE if seen == 1 << MAYBE else MIXED


@helper
def _and(a: UInt8, b: UInt8, out: UInt8) -> int:
    seen = 0
    for row in range(out.shape[0]):
        x, y = int(np.int64(a[row])), int(np.int64(b[row]))
        answer = 0 if x == 0 or y == 0 else x | y
        answer = MAYBE if answer > MAYBE else answer
        out[row] = answer
        seen |= 1 << answer
    return seen


@helper
def _or(a: UInt8, b: UInt8, out: UInt8) -> int:
    seen = 0
    for row in range(out.shape[0]):
        x, y = int(np.int64(a[row])), int(np.int64(b[row]))
        answer = 1 if x == 1 or y == 1 else x | y
        out[row] = answer
        seen |= 1 << answer
    return seen


@helper
def _not(a: UInt8, out: UInt8) -> int:
    seen = 0
    for row in range(out.shape[0]):
        x = int(np.int64(a[row]))
        answer = MAYBE if x == MAYBE else 1 - x
        out[row] = answer
        seen |= 1 << answer
    return seen


@helper
def _settled(how: int, x: int, y: int) -> int:
    """The answer if those of the arguments, each the same throughout or MIXED, decide it."""
    if how == NOT:
        return x if x >= MAYBE else 1 - x
    absorbing = TRUE if how == OR else FALSE
    if x == absorbing or y == absorbing:
        return absorbing
    if x == MIXED or y == MIXED:
        return MIXED
    return MAYBE if x == MAYBE or y == MAYBE else 1 - absorbing


@helper
def _block(
    argument: int, inputs: int, now: UInt8, place: Int32, given: Matrix, same: Matrix,
    kept: Matrix, slot: Int32, base: int, size: int,
) -> UInt8:  # fmt: skip
    """The block of an argument."""
    if now[argument] != MIXED:
        return same[now[argument], :size]
    if argument < inputs:
        return given[place[argument], base : base + size]
    return kept[slot[argument - inputs], :size]


@kernel(
    scalar(
        u8, i32, i32, i32, i32, u8, scalar,
        u8, i32, _matrix, _matrix, scalar,
        _matrix, u8, i32, i32, i64,
    )
)  # fmt: skip
def evaluate(
    how: UInt8, left: Int32, right: Int32, slot: Int32, export: Int32, watched: UInt8, slots: int,
    said: UInt8, place: Int32, given: Matrix, same: Matrix, start: int,
    exports: Matrix, seen: UInt8, found_node: Int32, found_row: Int32, out: Int64,
) -> int:  # fmt: skip
    """Evaluate nodes over the rows from ``start`` on; gives the row it came to.

    Arguments are numbered: first the given columns, then the nodes. Of a given column ``said`` is
    its answer, or MIXED, then it is row ``place`` of ``given``. A node's block is kept in row
    ``slot`` of ``slots``; ``export`` is its row of ``exports`` (-1: none), where ``seen`` are the
    answers seen, as bits. Of ``watched`` nodes every true row goes to ``found_node`` and
    ``found_row``, their number to ``out``; a block that might not find room there isn't begun.
    ``same`` has a row of BLOCK for every answer, in order.
    """
    nodes, inputs, rows = how.shape[0], place.shape[0], given.shape[1]
    kept = np.empty((slots, BLOCK), np.uint8)
    now = np.empty(inputs + nodes, np.uint8)
    now[:inputs] = said
    count, most, base = 0, 0, start
    for node in range(nodes):
        most += watched[node]
    while base < rows:
        size = min(BLOCK, rows - base)
        if count + most * size > found_row.shape[0]:
            break
        for node in range(nodes):
            a, b = left[node], right[node]
            block = kept[slot[node], :size]
            answer = _settled(how[node], now[a], now[b])
            if answer == MIXED:
                x = _block(a, inputs, now, place, given, same, kept, slot, base, size)
                if how[node] == NOT:
                    bits = _not(x, block)
                else:
                    y = _block(b, inputs, now, place, given, same, kept, slot, base, size)
                    bits = _and(x, y, block) if how[node] == AND else _or(x, y, block)
                answer = _said(bits)
            else:
                bits = 1 << answer
            now[inputs + node] = answer
            if watched[node] and bits & _SEEN_TRUE:
                for row in range(size):
                    if answer == TRUE or block[row] == TRUE:
                        found_node[count], found_row[count] = node, base + row
                        count += 1
            if export[node] >= 0:
                seen[export[node]] |= bits
                exports[export[node], base : base + size] = answer
                if answer == MIXED:
                    exports[export[node], base : base + size] = block
        base += size
    out[0] = count
    return base
