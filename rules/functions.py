"""The functions of the rule language: what each takes, and the operation it stands for."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from datetime import datetime

from rules.call import Call, Lower
from rules.codes import closed_list
from rules.lookups import known, lookup, since, working_days
from rules.ops import ASPECTS, Type
from rules.terms import ExpressionError, Term, on_field, over, value_of

TEXT_KINDS = ("code", "text", "treatment_id", "institution", "person")
NUMBER_KINDS = ("number", "decimal")
EPOCH = datetime(1970, 1, 1)
SHAPE = re.compile(
    r"(?:(?:\[(?:[A-Za-z0-9]-[A-Za-z0-9]|[A-Za-z0-9_-])+\]|[A-Za-z0-9_-])"
    r"(?:\{(?:[0-9]{1,3},)?[1-9][0-9]{0,2}\}|\?)?|\|)+"
)

# functions of one field whose operation has the same name: what it gives, kinds it reads (or any)
ONE_FIELD: dict[str, tuple[Type, tuple[str, ...]]] = {
    "filled": ("truth", ()),
    "size": ("number", ()),
    "letter": ("number", TEXT_KINDS),
    "first": ("number", TEXT_KINDS),
    "last": ("number", TEXT_KINDS),
    "consecutive": ("truth", TEXT_KINDS),
    "special": ("truth", ("treatment_id",)),
    "moment_of": ("moment", ("treatment_id",)),
    "person_check": ("truth", ("person",)),
    "institution_check": ("truth", ("institution",)),
    "sex": ("number", ("person",)),
    "repeated": ("truth", ()),
}


def lower_call(call: ast.Call, lower: Lower) -> Term:
    """The term of a function call. ``ExpressionError`` where function or arguments are wrong."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in ONE_FIELD:
        return _one_field(Call(name, call, lower, 1))
    if name not in FUNCTIONS:
        known = ", ".join(sorted([*FUNCTIONS, *ONE_FIELD]))
        raise ExpressionError(f"there is no function {name!r}; use one of {known}", call)
    handler, arguments = FUNCTIONS[name]
    return handler(Call(name, call, lower, arguments))


def roc_moment(text: str) -> datetime | None:
    """The wall-clock moment of ROC ``yyyMMdd`` or ``yyyMMddHHmmss``, ``None`` if it is none."""
    if not re.fullmatch("[0-9]{7}(?:[0-9]{6})?", text) or text.startswith("000"):
        return None
    pairs = [int(text[at : at + 2]) for at in range(3, len(text), 2)] + [0, 0, 0]
    try:
        return datetime(int(text[:3]) + 1911, pairs[0], pairs[1], pairs[2], pairs[3], pairs[4])
    except ValueError:
        return None


def _one_field(call: Call) -> Term:
    gives, kinds = ONE_FIELD[call.name]
    field = call.field(call.arg(0), kinds)
    if call.name == "repeated" and not field.is_order:
        raise ExpressionError(f"repeated compares orders; {field.id} is no order field", call.node)
    return on_field(call.name, field, gives=gives)


def _malformed(call: Call) -> Term:
    aspect = call.text(call.arg(1)) if len(call.node.args) == 2 else "any"
    if aspect not in ASPECTS:
        raise ExpressionError(f"malformed knows {', '.join(ASPECTS)}, not {aspect!r}", call.arg(1))
    return on_field("malformed", call.field(call.arg(0)), aspect)


def _unlisted(call: Call) -> Term:
    field = call.field(call.arg(0))
    if closed_list(field.id) is None:
        raise ExpressionError(f"{field.id} has no closed code list in codes.csv", call.node)
    return on_field("unlisted", field)


def _num(call: Call) -> Term:
    field = call.field(call.arg(0), NUMBER_KINDS)
    value = value_of(field)
    return Term("or_zero", (field.id,), (value,), "number", value.scope, value.tenths)


def _date(call: Call) -> Term:
    return over("date", call.term(call.arg(0), "moment"), gives="day")


def _month(call: Call) -> Term:
    return over("month", call.term(call.arg(0), "day"), gives="number")


def _roc_constant(call: Call) -> Term:
    text = call.text(call.arg(0))
    moment = roc_moment(text)
    if moment is None or len(text) != {"day": 7, "moment": 13}[call.name]:
        form = {"day": "yyyMMdd", "moment": "yyyMMddHHmmss"}[call.name]
        raise ExpressionError(f"{text!r} is no ROC {form}", call.arg(0))
    since = moment - EPOCH
    gives: Type = "day" if call.name == "day" else "moment"
    value = since.days if call.name == "day" else since.days * 86400 + since.seconds
    return Term("constant", (gives, value), (), gives, None)


def _over_orders(call: Call) -> Term:
    condition = call.term(call.arg(0), "truth")
    if condition.scope != "order":
        raise ExpressionError(
            f"{call.name} ranges over orders, but reads no order field", call.node
        )
    gives: Type = "number" if call.name == "count" else "truth"
    return Term(call.name, (), (condition,), gives, "record")


def _text_test(call: Call) -> Term:
    text = call.text(call.arg(1))
    if call.name == "matches" and not _is_shape(text):
        raise ExpressionError(
            f"{text!r} is no shape; write classes, literals, {{n}}, {{m,n}}, ? and | only",
            call.arg(1),
        )
    if not text:
        raise ExpressionError(f"{call.name} wants a string that is not empty", call.arg(1))
    return on_field(call.name, call.field(call.arg(0)), text)


def _is_shape(text: str) -> bool:
    try:
        return SHAPE.fullmatch(text) is not None and re.compile(text) is not None
    except re.error:  # a class or a repetition whose bounds are the wrong way round
        return False


def _holds_person(call: Call) -> Term:
    field = call.field(call.arg(0), ("treatment_id",))
    person = call.field(call.arg(1), ("person",))
    return on_field("holds_person", field, person.id)


FUNCTIONS: dict[str, tuple[Callable[[Call], Term], int]] = {
    "malformed": (_malformed, 2),
    "unlisted": (_unlisted, 1),
    "num": (_num, 1),
    "date": (_date, 1),
    "month": (_month, 1),
    "day": (_roc_constant, 1),
    "moment": (_roc_constant, 1),
    "some": (_over_orders, 1),
    "every": (_over_orders, 1),
    "count": (_over_orders, 1),
    "starts": (_text_test, 2),
    "matches": (_text_test, 2),
    "holds_person": (_holds_person, 2),
    "known": (known, 1),
    "lookup": (lookup, 2),
    "since": (since, 1),
    "working_days": (working_days, 2),
}
