"""Batches made from plain records, without any XML: payload, tail and places as parsing gives."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np

from pipeline.columns import ABSENT, Batch, Cells, Faults, Moved
from schemas import ORDER_FIELDS, VISIT_FIELDS

Record = dict[str, str]
Visit = tuple[Record, list[Record]]

_TAG = b"<>"  # stands for whatever markup is before a value


def make_batch(
    visits: Sequence[Visit], faults: Faults | None = None, uploads: Sequence[int] | None = None
) -> Batch:
    """These records, each a visit with its orders, in one upload or in ``uploads`` of so many
    records. Absent keys are absent elements. Non-ASCII values stand in the tail, and as Big5 in
    the payload."""
    payload = bytearray()
    tail = bytearray()
    moved: list[tuple[int, int, int, int, int]] = []
    far: list[tuple[int, int, int, int]] = []  # is_order, field, row, offset in the tail
    tables = []
    for is_order, names in ((0, VISIT_FIELDS), (1, ORDER_FIELDS)):
        rows = (
            [order for _, orders in visits for order in orders]
            if is_order
            else [v for v, _ in visits]
        )
        offset = np.zeros((len(names), len(rows)), np.int32)
        length = np.full((len(names), len(rows)), ABSENT, np.int32)
        for row, record in enumerate(rows):
            for name, text in record.items():
                field = names.index(name)
                payload += _TAG
                offset[field, row] = len(payload)
                length[field, row] = len(text.encode())
                if text.isascii():
                    payload += text.encode()
                else:
                    raw = text.encode("big5", "replace")
                    moved.append((is_order, field, row, len(payload), len(raw)))
                    far.append((is_order, field, row, len(tail)))
                    payload += raw
                    tail += text.encode()
        tables.append(Cells(offset, length))
    payload += _TAG  # no value stands at the very end
    for is_order, field, row, at in far:
        tables[is_order].offset[field, row] = len(payload) + at
    counts = [len(orders) for _, orders in visits]
    records, orders = len(visits), sum(counts)
    sizes = [records] if uploads is None else list(uploads)
    moved.sort()
    columns = np.array(moved, np.int32).reshape(-1, 5).T.copy()
    return Batch(
        buffer=np.frombuffer(payload + tail + bytes(64), np.uint8),
        tail=len(payload),
        start=np.zeros(len(sizes), np.int64),
        stop=np.full(len(sizes), len(payload), np.int64),
        first_record=np.array([0, *accumulate(sizes)], np.int32),
        visits=tables[0],
        orders=tables[1],
        record_upload=np.repeat(np.arange(len(sizes), dtype=np.int32), sizes),
        record_number=np.arange(1, records + 1, dtype=np.int32),
        record_offset=np.arange(records, dtype=np.int32),
        record_length=np.ones(records, np.int32),
        record_head=np.arange(records, dtype=np.int32) + 1000,
        first_order=np.array([0, *accumulate(counts)], np.int32),
        order_record=np.repeat(np.arange(records, dtype=np.int32), counts),
        order_offset=np.arange(orders, dtype=np.int32) + 2000,
        moved=Moved(columns[0].astype(np.uint8), *columns[1:]),
        faults=faults or no_faults(),
    )


def no_faults() -> Faults:
    """No structural faults."""
    none = np.empty(0, np.int32)
    return Faults(none, none, none.astype(np.uint8), none, none, none, ())
