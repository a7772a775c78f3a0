"""PURE: payloads → one batch of columns, and a refusal for each that is no upload.

Takes checked bytes (``pipeline.parse.decode``); tries the fast way on all of them at once; gives
what the fast way declined to lxml, one by one. Never sees a rule.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pipeline.columns import Batch, Cells, Faults, Int64, Moved, UInt8
from pipeline.limits import LIMITS, Limits
from pipeline.outcome import Refusal
from pipeline.parse.careful import parse_lxml
from pipeline.parse.decode import Decoded, decode
from pipeline.parse.fast import parse_fast
from pipeline.parse.join import join
from pipeline.parse.rows import MISSING_NAMES, Rows
from schemas import V2, Version

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
    version: Version = V2,
) -> Parsed:
    """Parse uploads, all in one version of the format, into one batch, in the order of
    ``payloads``. An element of another version is an unknown one (Y004).

    Raises FastDeclinedError for ``parser="fast"`` where lxml would be needed, ValueError for more
    bytes than the places of one batch reach (some 850 MB).
    """
    checked = [decode(payload, utf8=utf8, limits=limits) for payload in payloads]
    refusals = [c if isinstance(c, Refusal) else None for c in checked]
    decoded = {i: c for i, c in enumerate(checked) if isinstance(c, Decoded)}
    sizes = np.array([len(payload) + len(_GAP) for payload in payloads], np.int64)
    starts = np.cumsum(sizes) - sizes
    buffer = _laid_out(payloads, starts, int(sizes.sum()))
    parts: list[Rows] = []
    careful = list(decoded)
    if parser != "lxml" and decoded:
        rows, careful = _fast(buffer, starts, sizes, decoded, limits, version)
        parts.append(rows)
        if careful and parser == "fast":
            raise FastDeclinedError(f"upload {careful[0] + 1} needs the lxml parser")
    for i in careful:
        got = parse_lxml(payloads[i], decoded[i], limits, version, start=int(starts[i]), upload=i)
        if isinstance(got, Refusal):
            refusals[i] = got
        else:
            parts.append(got)
    encodings = tuple(decoded[i].encoding if i in decoded else "" for i in range(len(payloads)))
    slow = set(range(len(payloads)) if parser == "lxml" else careful)
    parsers = tuple("lxml" if i in slow else "fast" for i in range(len(payloads)))
    rows = join(parts, version)
    batch = _batch(buffer, starts, sizes - len(_GAP), rows, encodings, version.layout)
    return Parsed(batch, tuple(refusals), encodings, parsers)


def _laid_out(payloads: Sequence[bytes], starts: Int64, size: int) -> UInt8:
    """The payloads end to end with gaps, and room behind them for a tail of any size.

    Room that is not used costs no memory.
    """
    buffer = np.empty(room_for(size), np.uint8)
    for payload, start in zip(payloads, starts.tolist(), strict=True):
        stop = start + len(payload)
        buffer[start:stop] = np.frombuffer(payload, np.uint8)
        buffer[stop : stop + len(_GAP)] = 0
    return buffer


def room_for(size: int) -> int:
    """Bytes that payloads of ``size`` bytes and their tail may fill; ValueError where int32 places
    don't reach. A value of the tail is at most half as long again as its bytes."""
    room = size + size * 3 // 2 + 2 * len(_GAP)
    if room >= 1 << 31:
        raise ValueError(f"{size:,} bytes of uploads are too much for one batch; use several")
    return room


def _fast(
    buffer: UInt8,
    starts: Int64,
    sizes: Int64,
    decoded: dict[int, Decoded],
    limits: Limits,
    version: Version,
) -> tuple[Rows, list[int]]:
    """Rows of the uploads the fast way took, and the others."""
    which = np.array(list(decoded), np.int32)
    first = starts[which]
    stop = first + sizes[which] - len(_GAP)
    rows, accepted = parse_fast(buffer, first, stop, list(decoded.values()), limits, version)
    rows.records[0] = which[rows.records[0]]
    return rows, which[~accepted].tolist()


def _batch(
    buffer: UInt8,
    starts: Int64,
    sizes: Int64,
    rows: Rows,
    encodings: tuple[str, ...],
    layout: str,
) -> Batch:
    """The batch of ``rows``: the tail behind the buffer, cells pointed at it."""
    tail = int(sizes.sum()) + len(_GAP) * len(sizes)
    is_order = rows.moved[0] == 1
    if rows.moved.shape[1]:
        for table, of in ((rows.visit_offset, ~is_order), (rows.order_offset, is_order)):
            table[rows.moved[1, of], rows.moved[2, of]] += tail
        buffer[tail : tail + rows.tail.shape[0]] = rows.tail
    buffer = buffer[: tail + rows.tail.shape[0] + len(_GAP)]
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
        layout=layout,
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
