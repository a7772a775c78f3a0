"""Mutants of the rules: each is the catalogue with one small mistake in one rule file.

A file whose ``each`` runs over many fields is one rule text, so its mistake is made in all of its
rules at once; the rows that a file lists itself are mutated one by one.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from rules.expression import lower, parse
from rules.model import Edition, Rule
from rules.terms import ExpressionError
from schemas import fields
from tests.proof.codes import Codes
from tests.proof.constants import shifted_day
from tests.proof.expressions import mistakes

MANY = 8  # rules of one file; above, they are one text over the field catalogue


@dataclass(frozen=True)
class Mutant:
    """``rules`` are the rules as the mistake makes them, with the ids of the right ones."""

    name: str
    kind: str
    rules: tuple[Rule, ...]


def mutants(rules: Iterable[Rule], *, every_code: bool = False) -> list[Mutant]:
    """The mutants of all rules that a record alone decides, under distinct names."""
    known = list(rules)
    codes = Codes(known, every_code=every_code)
    files: dict[str, list[Rule]] = defaultdict(list)
    for rule in known:
        if rule.is_compiled and rule.decided_by == "record":
            files[str(rule.path)].append(rule)
    found = []
    for own in files.values():
        if len(own) > MANY:
            found += _of_family(own, codes)
        else:
            found += [
                Mutant(f"{rule.id} · {kind}: {change}", kind, (mutated,))
                for rule in own
                for kind, change, mutated in _of_rule(rule, codes)
            ]
    return _distinct(found)


def _of_family(rules: list[Rule], codes: Codes) -> list[Mutant]:
    made: dict[tuple[str, str], list[Rule]] = defaultdict(list)
    for rule in rules:
        for kind, change, mutated in _of_rule(rule, codes):
            made[kind, change.replace(rule.field, "{F}")].append(mutated)
    stem = rules[0].id.rpartition("/")[0]
    return [
        Mutant(f"{stem} · {kind}: {change}", kind, tuple(mutated))
        for (kind, change), mutated in made.items()
    ]


def _of_rule(rule: Rule, codes: Codes) -> Iterator[tuple[str, str, Rule]]:
    yield from _of_gate(rule, codes)
    for index, edition in enumerate(rule.editions):
        for kind, change, mutated in _of_edition(edition, rule, codes):
            editions = (*rule.editions[:index], mutated, *rule.editions[index + 1 :])
            yield kind, change, replace(rule, editions=editions)


def _of_gate(rule: Rule, codes: Codes) -> Iterator[tuple[str, str, Rule]]:
    for gate in ("formats", "kinds"):
        values = getattr(rule.applies, gate)
        for value in values or ():
            rest = tuple(other for other in values if other != value)
            applies = replace(rule.applies, **{gate: rest})
            yield "gate", f"{gate} without {value}", replace(rule, applies=applies)
    if rule.stops:
        yield "stops", "does not stop", replace(rule, stops=False)
    for code in rule.subsumes:
        if not codes.can_silence(rule, code):
            continue
        rest = tuple(other for other in rule.subsumes if other != code)
        yield "subsumes", f"without {code}", replace(rule, subsumes=rest)


def _of_edition(edition: Edition, rule: Rule, codes: Codes) -> Iterator[tuple[str, str, Edition]]:
    for end in ("start", "until"):
        bound = getattr(edition, end)
        for day in shifted_day(bound) if bound else ():
            yield "edition", f"{end} {bound} → {day}", replace(edition, **{end: day})
    if edition.start or edition.until:
        clock = "receipt" if edition.clock == "visit" else "visit"
        yield "edition", f"clock {clock}", replace(edition, clock=clock)
    if edition.broken_when is None:
        return
    tree = parse(edition.broken_when)
    seen = {lower(edition.broken_when)}
    for mistake in mistakes(tree, codes):
        text = ast.unparse(mistake.tree)
        try:
            term = lower(text)
        except ExpressionError:
            continue
        if term not in seen:
            seen.add(term)
            change = f"{mistake.was} → {mistake.now}"
            if term.scope != "order":
                text = _per_order(text, rule)
            yield mistake.kind, change, replace(edition, broken_when=text)


def _per_order(text: str, rule: Rule) -> str:
    """A rule of an order field asks each order, also where a mistake left no order field."""
    if rule.field not in fields() or not fields()[rule.field].is_order:
        return text
    return f"({text}) and (filled({rule.field}) or not filled({rule.field}))"


def _distinct(found: list[Mutant]) -> list[Mutant]:
    seen: Counter[str] = Counter()
    named = []
    for mutant in found:
        seen[mutant.name] += 1
        times = seen[mutant.name]
        named.append(mutant if times == 1 else replace(mutant, name=f"{mutant.name} ({times})"))
    return named
