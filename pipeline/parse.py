"""PURE: payloads → one batch of columns, and a refusal for each that is no upload.

Takes checked bytes (``pipeline.decode``); tries the fast way on all of them at once; gives what the
fast way declined to lxml, one by one. Never sees a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.columns import Batch, Cells, Faults, Int32, Int64, Moved, UInt8
from pipeline.decode import Decoded, decode
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Refusal
from pipeline.parse_fast import parse_fast
from pipeline.parse_lxml import parse_lxml
from pipeline.rows import MISSING_NAMES, Rows, empty_rows

ParserChoice = Literal["auto", "fast", "lxml"]
_GAP = bytes(64)  # NULs between documents: no scan can run on, and 64 bytes may be read


@dataclass(frozen=True)
class Parsed:
    """A batch, and per upload its refusal, its encoding and the way it was parsed."""

    batch: Batch
    refusals: tuple[Refusal | None, ...]
    encodings: tuple[str, ...]
    parsers: tuple[str, ...]


class FastDeclinedError(ValueError):
    """The fast way was asked for alone and declined an upload."""


def parse_many(
    payloads: Sequence[bytes],
    *,
    utf8: bool = False,
    parser: ParserChoice = "auto",
    limits: Limits = LIMITS,
) -> Parsed:
    """Parse uploads into one batch. Row order is that of ``payloads``.

    Raises FastDeclinedError for ``parser="fast"`` where lxml would be needed.
    """
    checked = [decode(payload, utf8=utf8, limits=limits) for payload in payloads]
    starts = np.zeros(len(payloads), np.int64)
    sizes = np.array([len(p) for p in payloads], np.int64)
    if len(payloads):
        starts[1:] = np.cumsum(sizes + len(_GAP))[:-1]
    buffer = np.frombuffer(_GAP.join(payloads) + _GAP, np.uint8)
    refusals: list[Refusal | None] = [c if isinstance(c, Refusal) else None for c in checked]
    parsers = ["fast"] * len(payloads)
    left = [i for i, c in enumerate(checked) if isinstance(c, Decoded)]
    parts: list[Rows] = []
    if parser != "lxml":
        rows, accepted = _fast(buffer, left, starts, sizes, checked, limits)
        parts.append(rows)
        left = [i for i, ok in zip(left, accepted, strict=True) if not ok]
        if left and parser == "fast":
            raise FastDeclinedError(f"upload {left[0] + 1} needs the lxml parser")
    for i in left:
        parsers[i] = "lxml"
        document = checked[i]
        assert isinstance(document, Decoded)
        got = parse_lxml(payloads[i], document, limits, start=int(starts[i]), upload=i)
        if isinstance(got, Refusal):
            refusals[i] = got
        else:
            parts.append(got)
    encodings = tuple(c.encoding if isinstance(c, Decoded) else "" for c in checked)
    batch = _batch(buffer, starts, sizes, _join(parts), encodings)
    return Parsed(batch, tuple(refusals), encodings, tuple(parsers))


def _fast(
    buffer: UInt8,
    which: list[int],
    starts: Int64,
    sizes: Int64,
    checked: Sequence[Decoded | Refusal],
    limits: Limits,
) -> tuple[Rows, list[bool]]:
    if not which:
        return empty_rows(), []
    documents = [c for c in checked if isinstance(c, Decoded)]
    at = starts[which]
    rows, accepted = parse_fast(
        buffer, at.tolist(), (at + sizes[which]).tolist(), documents, limits
    )
    rows.records[0] = np.array(which, np.int32)[rows.records[0]]
    return rows, accepted.tolist()


def _join(parts: list[Rows]) -> Rows:
    """One set of rows in upload order, from sets that each are."""
    parts = [p for p in parts if p.records.shape[1]]
    if not parts:
        return empty_rows()
    if len(parts) == 1:
        return parts[0]
    records, orders, moved, faults, tails = [], [], [], [], 0
    record_base = order_base = 0
    shifted = []
    for p in parts:
        records.append(p.records + np.array([[0], [0], [0], [0], [0], [order_base]], np.int32))
        orders.append(p.orders + np.array([[record_base], [0]], np.int32))
        m = p.moved.copy()
        m[2] += np.where(m[0] == 1, order_base, record_base).astype(np.int32)
        moved.append(m)
        faults.append(p.faults + np.array([[record_base]] + [[0]] * 6, np.int32))
        shifted.append(_shift_tail(p, tails))
        tails += p.tail.shape[0]
        record_base += p.records.shape[1]
        order_base += p.orders.shape[1]
    together = Rows(
        *(np.concatenate([s[k] for s in shifted], axis=1) for k in range(4)),
        np.concatenate(records, axis=1), np.concatenate(orders, axis=1),
        np.concatenate(moved, axis=1), np.concatenate([p.tail for p in parts]),
        np.concatenate(faults, axis=1),
    )  # fmt: skip
    return _sort(together)


def _shift_tail(rows: Rows, by: int) -> tuple[Int32, Int32, Int32, Int32]:
    """The cells of a part, those in its tail moved on by ``by`` bytes."""
    visit, order = rows.visit_offset.copy(), rows.order_offset.copy()
    is_order = rows.moved[0] == 1
    for table, of in ((visit, ~is_order), (order, is_order)):
        table[rows.moved[1, of], rows.moved[2, of]] += by
    return visit, rows.visit_length, order, rows.order_length


def _sort(rows: Rows) -> Rows:
    """Put the records (and what hangs on them) into upload order."""
    by_upload = np.argsort(rows.records[0], kind="stable")
    place = np.empty_like(by_upload)
    place[by_upload] = np.arange(by_upload.shape[0])
    by_order = np.argsort(place[rows.orders[0]], kind="stable")
    order_place = np.empty_like(by_order)
    order_place[by_order] = np.arange(by_order.shape[0])
    records = rows.records[:, by_upload]
    orders = rows.orders[:, by_order]
    orders[0] = place[orders[0]]
    records[5] = np.searchsorted(orders[0], np.arange(records.shape[1]))
    moved, faults = rows.moved.copy(), rows.faults.copy()
    is_order = moved[0] == 1
    moved[2] = np.where(is_order, 0, moved[2])
    moved[2, ~is_order] = place[rows.moved[2, ~is_order]]
    moved[2, is_order] = order_place[rows.moved[2, is_order]]
    faults[0] = place[faults[0]]
    faults = faults[:, np.argsort(faults[0], kind="stable")]
    return Rows(
        rows.visit_offset[:, by_upload], rows.visit_length[:, by_upload],
        rows.order_offset[:, by_order], rows.order_length[:, by_order],
        records, orders, moved, rows.tail, faults,
    )  # fmt: skip


def _batch(
    buffer: UInt8, starts: Int64, sizes: Int64, rows: Rows, encodings: tuple[str, ...]
) -> Batch:
    """The batch of ``rows``: the tail behind the buffer, cells pointed at it."""
    tail = buffer.shape[0]
    is_order = rows.moved[0] == 1
    if rows.moved.shape[1]:
        for table, of in ((rows.visit_offset, ~is_order), (rows.order_offset, is_order)):
            table[rows.moved[1, of], rows.moved[2, of]] += tail
        buffer = np.concatenate([buffer, rows.tail, np.zeros(len(_GAP), np.uint8)])
        buffer.flags.writeable = False
    upload, number, offset, length, head, first_order = rows.records
    m = rows.moved[:, np.lexsort((rows.moved[2], rows.moved[1], rows.moved[0]))]
    orders = rows.orders.shape[1]
    return Batch(
        buffer=buffer,
        tail=tail,
        start=starts,
        stop=starts + sizes,
        first_record=np.searchsorted(upload, np.arange(len(starts) + 1)).astype(np.int32),
        visits=Cells(rows.visit_offset, rows.visit_length),
        orders=Cells(rows.order_offset, rows.order_length),
        record_upload=upload,
        record_number=number,
        record_offset=offset,
        record_length=length,
        record_head=head,
        first_order=np.append(first_order, orders).astype(np.int32),
        order_record=rows.orders[0],
        order_offset=rows.orders[1],
        moved=Moved(m[0].astype(np.uint8), m[1], m[2], m[3], m[4]),
        faults=_faults(buffer, rows, encodings),
    )


def _faults(buffer: UInt8, rows: Rows, encodings: tuple[str, ...]) -> Faults:
    record, order, code, offset, length, name_at, name_length = rows.faults
    index: dict[str, int] = {}
    names = np.empty(record.shape[0], np.int32)
    for k, (at, size) in enumerate(zip(name_at.tolist(), name_length.tolist(), strict=True)):
        if at < 0:
            name = MISSING_NAMES[size]
        else:
            encoding = encodings[rows.records[0, record[k]]]
            codec = "cp950" if encoding == "big5" else encoding
            name = buffer[at : at + size].tobytes().decode(codec)
        names[k] = index.setdefault(name, len(index))
    return Faults(record, order, code.astype(np.uint8), offset, length, names, tuple(index))
