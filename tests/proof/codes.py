"""Which codes could be forgotten in a rule, and which could be there by mistake."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from random import Random

from rules.codes import closed_list, named_lists
from rules.expression import parse
from rules.model import Rule
from schemas import fields

SHORT = 4  # lists up to this long are mutated code by code
SAMPLED = 2  # codes drawn from longer ones, the same ones every time


class Codes:
    """The codes of a rule set: ``lists`` by name, and all that any rule compares a field with."""

    def __init__(self, rules: Collection[Rule], *, every_code: bool = False) -> None:
        self.lists = named_lists()
        self._every = every_code
        self._rules = [rule for rule in rules if rule.is_compiled]
        self._compared: dict[str, set[str]] = {}
        texts = {e.broken_when for rule in rules for e in rule.editions if e.broken_when}
        for text in sorted(texts):
            for node in ast.walk(parse(text)):
                if isinstance(node, ast.Compare) and isinstance(node.left, ast.Name):
                    known = self._known(node.comparators[0])
                    self._compared.setdefault(node.left.id, set()).update(known)

    def can_silence(self, rule: Rule, code: str) -> bool:
        """Whether any other rule reports ``code`` where ``rule`` stands, on records of both."""
        return any(
            other.id != rule.id
            and other.field == rule.field
            and code in {edition.code for edition in other.editions}
            and _meet(rule.applies.formats, other.applies.formats)
            and _meet(rule.applies.kinds, other.applies.kinds)
            for other in self._rules
        )

    def without_one(self, name: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Some code of a named list, and the list without it."""
        codes = self.lists[name]
        for code in self._some(codes, name):
            yield code, codes - {code}

    def added(self, left: ast.expr, right: ast.expr) -> Iterator[tuple[str, str, frozenset[str]]]:
        """Field, a code that the right side of a text comparison leaves out, and its codes."""
        known = self._known(right)
        if not isinstance(left, ast.Name) or left.id not in fields() or not known:
            return
        possible = closed_list(left.id) or self._compared.get(left.id, set())
        missing = frozenset(possible) - known
        for code in self._some(missing, f"{left.id} {ast.unparse(right)}"):
            yield left.id, code, known

    def _known(self, node: ast.expr) -> frozenset[str]:
        match node:
            case ast.Constant(value=str()):
                return frozenset((node.value,))
            case ast.Set():
                return frozenset(ast.literal_eval(node))
            case ast.Name() if node.id in self.lists:
                return self.lists[node.id]
        return frozenset()

    def _some(self, codes: frozenset[str], seed: str) -> list[str]:
        if self._every or len(codes) <= SHORT:
            return sorted(codes)
        return sorted(Random(seed).sample(sorted(codes), SAMPLED))


def _meet(some: tuple[str, ...] | None, others: tuple[str, ...] | None) -> bool:
    return some is None or others is None or not set(some).isdisjoint(others)
