"""Operations on reference tables: keys of fields and texts, looked up as of a day.

A table that isn't loaded leaves everything unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from pipeline.kernels import lookup
from pipeline.kernels.context import Column, Context, scope_of
from pipeline.kernels.jit import Int32
from pipeline.kernels.on_fields import Kernel
from pipeline.references import Table, Texts, bounded
from rules.ops import MAYBE, UNKNOWN, KeyPart
from rules.plan import Scope


def _keys(ctx: Context, table: Table, parts: Sequence[KeyPart], at: Scope) -> Int32:
    codes = [_codes(ctx, texts, part, at) for texts, part in zip(table.texts, parts, strict=True)]
    return table.keys(codes, ctx.rows(at))


def _codes(ctx: Context, texts: Texts, part: KeyPart, at: Scope) -> Int32:
    kind, value = part
    if kind == "text":
        return np.full(ctx.rows(at), texts.codes([value])[0], np.int32)
    if kind == "field":
        found = ctx.found(texts, value)
        return cast(Int32, _spread(ctx, found, at) if at != scope_of(value) else found)
    envelopes = ctx.envelopes
    said = [e.institution if kind == "sender" else e.address for e in envelopes]
    return cast(Int32, _spread(ctx, texts.codes(said)[ctx.batch.record_upload], at))


def _spread(ctx: Context, column: Column, at: Scope) -> Column:
    return column[ctx.batch.order_record] if at == "order" else column


def _known(ctx: Context, params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
    table = ctx.references.tables.get(params[0])
    if table is None:
        return ctx.same(at, MAYBE)
    keys, out = _keys(ctx, table, params[1], at), np.empty(ctx.rows(at), np.uint8)
    if args:
        seen = lookup.valid_on(keys, args[0], table.first, table.spans, out)
    else:
        seen = lookup.is_there(keys, out)
    return ctx.shared(at, seen, out)


def _lookup(ctx: Context, params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
    name, parts, column = params
    table = ctx.references.tables.get(name)
    if table is None:
        return ctx.unknown(at)
    return _picked(table.values[column], table.periods(_keys(ctx, table, parts, at), args[0]))


def _since(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    table = ctx.references.tables.get(params[0])
    if table is None:
        return ctx.unknown(at)
    start = table.spans[::2]
    begins = bounded(start[table.first[:-1]]) if len(start) else start
    return _picked(begins, _keys(ctx, table, params[1], at))


def _picked(values: Column, row: Int32) -> Column:
    """The value at each row, unknown at negative ones."""
    return np.append(values, UNKNOWN)[np.where(row >= 0, row, len(values))]


def _working_days(
    ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope
) -> Column:
    calendar = ctx.references.calendar
    if calendar is None:
        return ctx.unknown(at)
    out = np.empty(ctx.rows(at), np.int64)
    lookup.working_days(args[0], args[1], calendar.first_day, calendar.working_before, out)
    return out


REFERENCE_KERNELS: dict[str, Kernel] = {
    "known": _known,
    "ever_known": _known,
    "lookup": _lookup,
    "since": _since,
    "working_days": _working_days,
}
