"""A function call of the rule language, its arguments taken one by one, each of its kind."""

from __future__ import annotations

import ast
from collections.abc import Callable

from rules.ops import Type
from rules.terms import ExpressionError, FieldRef, Operand, Term, Text, as_term
from schemas import Field

Lower = Callable[[ast.expr], Operand]

# functions of a reference table: the names they take, and room for the key's parts
NAMED: dict[str, tuple[str, ...]] = {"known": ("at",), "lookup": ("at",), "since": ()}
MOST_ARGUMENTS = 6


class Call:
    """A call with its arguments taken one by one, each of the kind that is asked for."""

    def __init__(self, name: str, call: ast.Call, lower: Lower, arguments: int) -> None:
        self.name, self.node, self._lower = name, call, lower
        self.named = {keyword.arg: keyword.value for keyword in call.keywords}
        for keyword in call.keywords:
            if keyword.arg not in NAMED.get(name, ()):
                raise ExpressionError(f"{name} takes no argument named {keyword.arg}", call)
        least = 1 if name == "malformed" else arguments
        most = MOST_ARGUMENTS if name in NAMED else arguments
        if not least <= len(call.args) <= most:
            raise ExpressionError(
                f"{name} takes {arguments} argument(s), not {len(call.args)}", call
            )

    def field(self, node: ast.expr, kinds: tuple[str, ...] = ()) -> Field:
        operand = self._lower(node)
        if not isinstance(operand, FieldRef):
            raise ExpressionError(f"{self.name} wants a field here", node)
        if kinds and operand.field.kind not in kinds:
            raise ExpressionError(
                f"{self.name} reads fields of kind {', '.join(kinds)}; "
                f"{operand.field.id} is {operand.field.kind}",
                node,
            )
        return operand.field

    def text(self, node: ast.expr) -> str:
        operand = self._lower(node)
        if not isinstance(operand, Text):
            raise ExpressionError(f"{self.name} wants a string here", node)
        return operand.value

    def term(self, node: ast.expr, gives: Type) -> Term:
        term = as_term(self._lower(node))
        if term is None or term.type != gives:
            raise ExpressionError(f"{self.name} wants a {gives} here", node)
        return term

    def operand(self, node: ast.expr) -> Operand:
        return self._lower(node)

    def arg(self, at: int) -> ast.expr:
        return self.node.args[at]
