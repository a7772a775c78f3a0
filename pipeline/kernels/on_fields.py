"""Operations on fields: what each asks of a field's text, and the columns it gives.

A binding takes the context, the node's parameters and the columns of its arguments, and gives a
column: uint8 truths or int64 numbers, one a record or one an order. It never changes its inputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, cast

import numpy as np

from pipeline.kernels import checksum, field, orders, treatment
from pipeline.kernels.automaton import Pattern
from pipeline.kernels.context import Column, Context
from pipeline.kernels.jit import Int64, UInt8
from rules.codes import closed_list
from rules.ops import FALSE, MAYBE, OPS, TRUE, UNKNOWN, KeyPart
from rules.plan import Node, Scope
from schemas import every_field

Kernel = Callable[[Context, Sequence[Any], Sequence[Column], Scope], Column]
"""(context, params, argument columns, scope of the result) -> column"""

SPECIAL = Pattern(shape="SM0{18}|MISS0{16}|9{20}|[A-Z][0-9]{3}0{16}")
PERSON = Pattern(shape="[A-Z][12A-D89][0-9]{8}")
INSTITUTION = Pattern(shape="[0-9A-Z]{2}[0-9]{4}[0-9A-Z][0-9]{3}")
_DIGITS = "0123456789"
NUMERAL = Pattern(shape="[0-9][0-9]*")
RUNS = Pattern(words=tuple(_DIGITS[i:j] for i in range(10) for j in range(i + 1, 11)))
_ASPECTS = {
    "chinese": field.CHINESE,
    "length": field.WRONG_LENGTH,
    "type": field.WRONG_TYPE,
}


def patterns_of(node: Node) -> list[tuple[str, Pattern]]:
    """What a node asks of the text of fields: what its context's readers must answer."""
    params = cast("tuple[str, ...]", node.params)
    asked = [_PATTERNS[node.op](*params)] if node.op in _PATTERNS else []
    if node.op == "consecutive":
        asked.append(RUNS)
    return [(params[0], pattern) for pattern in asked]


def fields_of(node: Node) -> list[str]:
    """The fields a node reads."""
    read: list[str] = []
    for what, value in zip(OPS[node.op].params, node.params, strict=True):
        if what in ("field", "other", "person"):
            read.append(cast(str, value))
        elif what == "keys":
            parts = cast("tuple[KeyPart, ...]", value)
            read += [name for kind, name in parts if kind == "field"]
    return read


@cache
def _closed(name: str) -> Pattern:
    codes = closed_list(name)
    if codes is None:
        raise ValueError(f"{name} has no closed code list")
    return Pattern(words=tuple(sorted(codes)))


_PATTERNS: dict[str, Callable[..., Pattern]] = {
    "unlisted": _closed,
    "member": lambda _field, codes: Pattern(words=codes),
    "starts": lambda _field, prefix: Pattern(prefix=prefix),
    "matches": lambda _field, shape: Pattern(shape=shape),
    "first": lambda _field: NUMERAL,
    "last": lambda _field: NUMERAL,
    "consecutive": lambda _field: NUMERAL,
    "special": lambda _field: SPECIAL,
    "holds_person": lambda _field, _person: SPECIAL,
    "moment_of": lambda _field: SPECIAL,
    "person_check": lambda _field: PERSON,
    "institution_check": lambda _field: INSTITUTION,
    "sex": lambda _field: PERSON,
}


def _filled(ctx: Context, params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    return ctx.filled(params[0])


def _malformed(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    name, aspect = params
    form, seen = ctx.reading(name).form, ctx.reading(name).seen
    if aspect == "any":
        any_seen = seen >= 1 << field.CHINESE
        return (form >= field.CHINESE).view(np.uint8) if any_seen else ctx.same(at, FALSE)
    wanted = _ASPECTS[aspect]
    return (form == wanted).view(np.uint8) if seen >> wanted & 1 else ctx.same(at, FALSE)


def _unlisted(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    filled, name = ctx.filled(params[0]), params[0]
    if filled is ctx.same(at, FALSE):
        return filled
    out = filled & (ctx.answer(name, _closed(name), FALSE) ^ 1)
    return out if out.any() else ctx.same(at, FALSE)


def _ask(op: str) -> Kernel:
    """A truth that one pattern decides; unknown where blank or malformed."""

    def kernel(ctx: Context, params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
        return ctx.answer(params[0], _PATTERNS[op](*params), MAYBE)

    return kernel


def _consecutive(ctx: Context, params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    runs = ctx.answer(params[0], RUNS, FALSE)
    digits = ctx.answer(params[0], NUMERAL, FALSE)
    return np.where(digits == TRUE, runs, np.uint8(MAYBE))


def _value(ctx: Context, params: Sequence[Any], _args: Sequence[Column], _: Scope) -> Column:
    return ctx.value(params[0])


def _same_text(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.uint8)
    buffer = ctx.batch.buffer
    one, other = (ctx.cells(name) for name in params)
    usable = ctx.fine(params[0]) & ctx.fine(params[1])
    seen = field.compare_texts(buffer, *one, buffer, *other, usable, out)
    return ctx.shared(at, seen, out)


def _is_sender(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.uint8)
    senders, upload = ctx.senders, ctx.batch.record_upload
    if at == "order":
        upload = upload[ctx.batch.order_record]
    offset, length = senders.offset[upload], senders.length[upload]
    usable = ctx.fine(params[0]) & (length > 0)
    cells = ctx.cells(params[0])
    seen = field.compare_texts(
        ctx.batch.buffer, *cells, senders.buffer, offset, length, usable, out
    )
    return ctx.shared(at, seen, out)


def _size(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.int64)
    field.read_sizes(ctx.batch.buffer, *ctx.cells(params[0]), ctx.fine(params[0]), out)
    return out


def _character(position: int, meaning: dict[str, int], shape: Pattern | None = None) -> Kernel:
    """A number that one character decides, in values that have ``shape``."""
    table = np.full(256, UNKNOWN, np.int64)
    for character, value in meaning.items():
        table[ord(character)] = value

    def kernel(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
        out = np.empty(ctx.rows(at), np.int64)
        cells = ctx.cells(params[0])
        usable = ctx.answer(params[0], shape, FALSE) if shape else ctx.fine(params[0])
        field.read_character(ctx.batch.buffer, *cells, position, table, usable, out)
        return out

    return kernel


_DIGIT_VALUES = {digit: int(digit) for digit in _DIGITS}
_LETTER_VALUES = {c: i for i in range(1, 27) for c in (chr(64 + i), chr(96 + i))}
_SEX = dict.fromkeys("18AC", 1) | dict.fromkeys("29BD", 2)


def _usable(ctx: Context, name: str) -> UInt8:
    """Treatment ids with something inside: well formed, and no special code."""
    return cast(UInt8, ctx.answer(name, SPECIAL, TRUE) ^ 1)


def _moment_of(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    out = np.empty(ctx.rows(at), np.int64)
    offset, _ = ctx.cells(params[0])
    treatment.moment_of(ctx.batch.buffer, offset, _usable(ctx, params[0]), out)
    return out


def _holds_person(
    ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope
) -> Column:
    out = np.empty(ctx.rows(at), np.uint8)
    inside, person = (ctx.cells(name)[0] for name in params)
    usable = _usable(ctx, params[0]) & ctx.fine(params[1])
    seen = treatment.holds_person(ctx.batch.buffer, inside, person, usable, out)
    return ctx.shared(at, seen, out)


def _check_digit(shape: Pattern, values: Int64, weights: Int64) -> Kernel:
    def kernel(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
        out = np.empty(ctx.rows(at), np.uint8)
        usable = ctx.answer(params[0], shape, FALSE)
        offset = ctx.cells(params[0])[0]
        seen = checksum.check_digit(
            ctx.batch.buffer, offset, usable, values.reshape(-1), weights, out
        )
        return ctx.shared(at, seen, out)

    return kernel


def _repeated(ctx: Context, params: Sequence[Any], _args: Sequence[Column], at: Scope) -> Column:
    name = params[0]
    out = np.empty(ctx.rows(at), np.uint8)
    first = ctx.batch.first_order
    if every_field()[name].kind in ("number", "decimal", "date", "datetime"):
        seen = orders.repeated_numbers(first, ctx.value(name), out)
    else:
        cells = ctx.cells(name)
        seen = orders.repeated_texts(first, ctx.batch.buffer, *cells, ctx.fine(name), out)
    for record in np.flatnonzero(np.diff(first) >= orders.MANY):
        rows = range(first[record], first[record + 1])
        out[rows.start : rows.stop] = orders.repeated_among(_keys(ctx, name, rows))
        for answer in np.unique(out[rows.start : rows.stop]).tolist():
            seen |= 1 << answer
    return ctx.shared(at, seen, out)


def _keys(ctx: Context, name: str, rows: range) -> list[int | bytes | None]:
    """What tells the values of a field apart, ``None`` where blank or malformed."""
    fine, value = ctx.fine(name), ctx.reading(name).value
    if value is not None:
        return [int(value[row]) if fine[row] else None for row in rows]
    buffer, (offset, length) = ctx.batch.buffer, ctx.cells(name)
    return [
        buffer[offset[row] : offset[row] + length[row]].tobytes() if fine[row] else None
        for row in rows
    ]


FIELD_KERNELS: dict[str, Kernel] = {
    "filled": _filled,
    "malformed": _malformed,
    "unlisted": _unlisted,
    "value": _value,
    "member": _ask("member"),
    "same_text": _same_text,
    "is_sender": _is_sender,
    "starts": _ask("starts"),
    "matches": _ask("matches"),
    "size": _size,
    "letter": _character(0, _LETTER_VALUES),
    "first": _character(0, _DIGIT_VALUES, NUMERAL),
    "last": _character(-1, _DIGIT_VALUES, NUMERAL),
    "consecutive": _consecutive,
    "special": _ask("special"),
    "holds_person": _holds_person,
    "moment_of": _moment_of,
    "person_check": _check_digit(PERSON, checksum.person_values(), checksum.PERSON_WEIGHTS),
    "institution_check": _check_digit(
        INSTITUTION, checksum.institution_values(), checksum.INSTITUTION_WEIGHTS
    ),
    "sex": _character(1, _SEX, PERSON),
    "repeated": _repeated,
}
