"""Terms: an expression after its kinds and scopes are known, as a tree of operations.

A ``Term`` names an operation of ``rules.ops`` over other terms. Text never is a column: a text
operand lives only until a comparison or a function makes a term of it.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from rules.ops import LONGEST_NUMBER, Type
from rules.plan import Scope
from schemas import Field

VALUE_TYPES: dict[str, Type] = {
    "number": "number",
    "decimal": "number",
    "date": "day",
    "datetime": "moment",
}


class ExpressionError(Exception):
    """An expression can't be read. ``column`` counts from 1 within the expression."""

    def __init__(self, message: str, node: ast.expr | None = None, column: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.column = node.col_offset + 1 if node is not None else column


@dataclass(frozen=True)
class Term:
    """One operation on ``args``. ``scope`` is ``None`` where the value is the same everywhere.

    ``tenths`` marks numbers that count in tenths (decimal fields and what is made of them). A
    literal number is a ``constant`` term that holds a ``Decimal`` until it meets its partner.
    """

    op: str
    params: tuple[object, ...]
    args: tuple[Term, ...]
    type: Type
    scope: Scope | None
    tenths: bool = False

    @property
    def literal(self) -> Decimal | None:
        """The value of a literal number."""
        value = self.params[1] if self.op == "constant" else None
        return value if isinstance(value, Decimal) else None


@dataclass(frozen=True)
class FieldRef:
    """A bare field: its value where its kind has one, else its text."""

    field: Field


@dataclass(frozen=True)
class Text:
    """A string literal."""

    value: str


@dataclass(frozen=True)
class Sender:
    """The institution of the credential."""


@dataclass(frozen=True)
class Address:
    """The address the upload came from."""


@dataclass(frozen=True)
class Codes:
    """A set of strings, or a named list."""

    codes: tuple[str, ...]


Operand = Term | FieldRef | Text | Sender | Address | Codes


def scope_of(field: Field) -> Scope:
    """Where a field lives."""
    return "order" if field.is_order else "record"


def on_field(op: str, field: Field, *params: object, gives: Type = "truth") -> Term:
    """A term that reads one field (``params`` follow the field id)."""
    return Term(op, (field.id, *params), (), gives, scope_of(field))


def value_of(field: Field) -> Term:
    """The number, day or moment of a field."""
    return Term(
        "value",
        (field.id,),
        (),
        VALUE_TYPES[field.kind],
        scope_of(field),
        tenths=field.kind == "decimal",
    )


def over(op: str, *args: Term, gives: Type = "truth", tenths: bool = False) -> Term:
    """A term over other terms, in the narrowest of their scopes."""
    scopes = {arg.scope for arg in args}
    scope: Scope | None = "order" if "order" in scopes else "record" if "record" in scopes else None
    return Term(op, (), args, gives, scope, tenths)


def number(value: Decimal) -> Term:
    """A literal number."""
    return Term("constant", ("number", value), (), "number", None)


def negate(term: Term) -> Term:
    """Kleene not."""
    return term.args[0] if term.op == "not" else over("not", term)


def join(op: Literal["and", "or"], terms: list[Term]) -> Term:
    """Kleene and/or of one or more truths, folded from the left."""
    result = terms[0]
    for term in terms[1:]:
        result = over(op, result, term)
    return result


def member(field: Field, codes: tuple[str, ...]) -> Term:
    """Whether a field holds one of the codes (kept sorted, so equal sets make equal terms)."""
    return on_field("member", field, tuple(sorted(set(codes))))


def as_term(operand: Operand) -> Term | None:
    """The term an operand stands for, ``None`` where it is text."""
    if isinstance(operand, FieldRef) and operand.field.kind in VALUE_TYPES:
        return value_of(operand.field)
    return operand if isinstance(operand, Term) else None


def aligned(left: Term, right: Term, node: ast.expr) -> tuple[Term, Term]:
    """Both numbers in the same unit, literals turned to whole numbers of it."""
    tenths = left.tenths or right.tenths
    return _in_unit(left, tenths, node), _in_unit(right, tenths, node)


def whole(term: Term, node: ast.expr) -> Term:
    """A number that counts in ones, for places where tenths mean nothing."""
    if term.tenths:
        raise ExpressionError("a decimal field can't stand here; use a whole number", node)
    return _in_unit(term, False, node)


def _in_unit(term: Term, tenths: bool, node: ast.expr) -> Term:
    if term.literal is not None:
        value = term.literal * (10 if tenths else 1)
        if value != int(value):
            unit = "one decimal place" if tenths else "whole numbers"
            raise ExpressionError(f"{term.literal} meets {unit} here; round it", node)
        if abs(value) >= 10**LONGEST_NUMBER:
            raise ExpressionError(f"{value} has more than {LONGEST_NUMBER} digits", node)
        return Term("constant", ("number", int(value)), (), "number", None, tenths)
    if term.tenths != tenths:
        raise ExpressionError(
            "a decimal field and a whole-number field don't mix; compare each with a literal", node
        )
    return term
