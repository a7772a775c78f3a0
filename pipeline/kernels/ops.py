"""``KERNELS``: operations of ``rules.ops`` bound to column work, all but those that join truths
(see ``circuit``). Here those on whole columns;
``on_fields`` has those that read cells, ``on_references`` those that ask reference tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.kernels import orders, truth
from pipeline.kernels.context import Column, Context
from pipeline.kernels.on_fields import FIELD_KERNELS, Kernel
from pipeline.kernels.on_references import REFERENCE_KERNELS
from rules.ops import FALSE, TRUE
from rules.plan import Scope

# values


def _constant(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    return np.full(ctx.rows(at), params[1], np.int64)


def _received(ctx: Context, _params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    return ctx.received[ctx.batch.record_upload]


def _official(ctx: Context, _params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    official = np.array([envelope.mode == "official" for envelope in ctx.envelopes], np.uint8)
    return official[ctx.batch.record_upload]


def _vpn(ctx: Context, _params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    vpn = np.array([envelope.channel == "vpn" for envelope in ctx.envelopes], np.uint8)
    return vpn[ctx.batch.record_upload]


def _orders(ctx: Context, _params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    return np.diff(ctx.batch.first_order).astype(np.int64)


def _or_zero(ctx: Context, params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.int64)
    truth.zero_where_blank(args[0], ctx.filled(params[0]), out)
    return out


def _number(loop: Callable[..., int], *how: int) -> Kernel:
    """Numbers from numbers, by one loop."""

    def kernel(ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
        out = np.empty(ctx.rows(at), np.int64)
        loop(*args, *how, out)
        return out

    return kernel


# truths


def _compare(how: int) -> Kernel:
    def kernel(ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
        out = np.empty(ctx.rows(at), np.uint8)
        return ctx.shared(at, truth.compare(args[0], args[1], how, out), out)

    return kernel


# between records and their orders


def _fold(absorbing: int) -> Kernel:
    def kernel(ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
        if args[0] is ctx.same("order", 1 - absorbing):
            return ctx.same(at, 1 - absorbing)
        out = np.empty(ctx.rows(at), np.uint8)
        return ctx.shared(at, orders.fold(ctx.batch.first_order, args[0], absorbing, out), out)

    return kernel


def _count(ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.int64)
    orders.count(ctx.batch.first_order, args[0], out)
    return out


def _spread(ctx: Context, _params: Sequence[Any], args: Sequence[Column], at: Scope) -> Column:
    for answer in (FALSE, TRUE):
        if args[0] is ctx.same("record", answer):
            return ctx.same(at, answer)
    return args[0][ctx.batch.order_record]


KERNELS: dict[str, Kernel] = {
    **FIELD_KERNELS,
    **REFERENCE_KERNELS,
    "constant": _constant,
    "received": _received,
    "official": _official,
    "vpn": _vpn,
    "orders": _orders,
    "date": _number(truth.day_of_moment),
    "month": _number(truth.month_of_day),
    "or_zero": _or_zero,
    "coalesce": _number(truth.coalesce),
    "add": _number(truth.arithmetic, truth.ADD),
    "subtract": _number(truth.arithmetic, truth.SUBTRACT),
    "modulo": _number(truth.arithmetic, truth.MODULO),
    "equal": _compare(truth.EQUAL),
    "less": _compare(truth.LESS),
    "less_equal": _compare(truth.LESS_EQUAL),
    "some": _fold(TRUE),
    "every": _fold(FALSE),
    "count": _count,
    "spread": _spread,
}
