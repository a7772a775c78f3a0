"""PURE: rows of documents parsed apart, put together in upload order."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.columns import Int32
from pipeline.parse.rows import Rows, empty_rows
from schemas import Version

Index = npt.NDArray[np.intp]


def join(parts: list[Rows], version: Version) -> Rows:
    """One set of rows in upload order, from sets that each are, all in one version."""
    parts = [p for p in parts if p.records.shape[1]]
    if not parts:
        return empty_rows(version)
    if len(parts) == 1:
        return parts[0]
    shifted, records, orders, bytes_ = [], 0, 0, 0
    for part in parts:
        shifted.append(_shift(part, records, orders, bytes_))
        records += part.records.shape[1]
        orders += part.orders.shape[1]
        bytes_ += part.tail.shape[0]
    return _sort(_concatenate(shifted))


def _shift(rows: Rows, records: int, orders: int, tail: int) -> Rows:
    """The rows as they stand behind so many records, orders and bytes of tail."""
    visit_offset, order_offset = rows.visit_offset.copy(), rows.order_offset.copy()
    is_order = rows.moved[0] == 1
    for table, of in ((visit_offset, ~is_order), (order_offset, is_order)):
        table[rows.moved[1, of], rows.moved[2, of]] += tail
    moved, record_rows = rows.moved.copy(), rows.records.copy()
    moved[2] += np.where(is_order, orders, records).astype(np.int32)
    record_rows[5] += orders
    order_rows, faults = rows.orders.copy(), rows.faults.copy()
    order_rows[0] += records
    faults[0] += records
    return Rows(
        visit_offset, rows.visit_length, order_offset, rows.order_length,
        record_rows, order_rows, moved, rows.tail, faults,
    )  # fmt: skip


def _concatenate(parts: list[Rows]) -> Rows:
    def wide(name: str) -> Int32:
        return np.concatenate([getattr(part, name) for part in parts], axis=1)

    return Rows(
        wide("visit_offset"), wide("visit_length"), wide("order_offset"), wide("order_length"),
        wide("records"), wide("orders"), wide("moved"),
        np.concatenate([part.tail for part in parts]), wide("faults"),
    )  # fmt: skip


def _sort(rows: Rows) -> Rows:
    """Put the records, and what hangs on them, into upload order."""
    by_upload = np.argsort(rows.records[0], kind="stable")
    place = _inverse(by_upload)
    by_record = np.argsort(place[rows.orders[0]], kind="stable")
    order_place = _inverse(by_record)
    records, orders = _pick(rows.records, by_upload), _pick(rows.orders, by_record)
    orders[0] = place[orders[0]]
    records[5] = np.searchsorted(orders[0], np.arange(records.shape[1]))
    moved, faults = rows.moved.copy(), rows.faults.copy()
    is_order = moved[0] == 1
    moved[2, ~is_order] = place[moved[2, ~is_order]]
    moved[2, is_order] = order_place[moved[2, is_order]]
    faults[0] = place[faults[0]]
    return Rows(
        _pick(rows.visit_offset, by_upload), _pick(rows.visit_length, by_upload),
        _pick(rows.order_offset, by_record), _pick(rows.order_length, by_record),
        records, orders, moved, rows.tail, _pick(faults, np.argsort(faults[0], kind="stable")),
    )  # fmt: skip


def _pick(table: Int32, rows: Index) -> Int32:
    return np.take(table, rows, axis=1)  # each line contiguous, which indexing does not promise


def _inverse(permutation: Index) -> Index:
    inverse = np.empty_like(permutation)
    inverse[permutation] = np.arange(permutation.shape[0])
    return inverse
