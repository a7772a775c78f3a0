"""Which examples of the catalogue see a mutant: their findings are no longer those they expect.

Kernels say where each mutated rule is broken, for thousands of rules at once. Where that differs
from the right rule, the oracle says whether it shows, for a broken rule may silence others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from pipeline.validate.validate import validate
from rules.compile import compile_rules
from rules.load import load_bases
from rules.model import Rule
from tests.batches import make_batch
from tests.oracle.examples import distinct_examples, example_row
from tests.oracle.findings import receipt_text, row_findings
from tests.proof.engine import NO_FLOOD, envelope_of
from tests.proof.mutants import Mutant

AT_ONCE = 2000  # rules of one plan
Places = dict[int, list[int]]
"""By the number of an example: the orders a rule is broken at, -1 for the record."""


class Examples:
    """The examples of a rule set as records, and the rules that each of them breaks."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [rule for rule in rules if rule.is_compiled]
        distinct = distinct_examples(self._rules).values()
        examples = [example for example in distinct if not example.tables]
        self._rows = [example_row(example, load_bases()) for example in examples]
        self._expected = [example.expect for example in examples]
        self._batch = make_batch(
            [(row.record, row.orders) for row in self._rows], uploads=[1] * len(self._rows)
        )
        self._envelopes = [envelope_of(row) for row in self._rows]
        self._places = dict(
            zip((rule.id for rule in self._rules), self._broken_at(self._rules), strict=True)
        )

    def unseen(self, mutants: Sequence[Mutant]) -> list[Mutant]:
        """The mutants under which every example's findings stay what they are."""
        mutated = [rule for mutant in mutants for rule in mutant.rules]
        places = iter(self._broken_at(mutated))
        pairs = [(mutant, [next(places) for _ in mutant.rules]) for mutant in mutants]
        return [mutant for mutant, found in pairs if not self._seen(mutant, found)]

    def _seen(self, mutant: Mutant, found: list[Places]) -> bool:
        differing: set[int] = set()
        for rule, now in zip(mutant.rules, found, strict=True):
            was = self._places[rule.id]
            if mutant.kind in ("stops", "subsumes"):
                differing |= was.keys()
            differing |= {n for n in was.keys() | now.keys() if was.get(n) != now.get(n)}
        return any(self._shows(mutant, number) for number in sorted(differing))

    def _shows(self, mutant: Mutant, number: int) -> bool:
        mutated = {rule.id for rule in mutant.rules}
        others = [
            rule
            for rule in self._rules
            if rule.id not in mutated and number in self._places[rule.id]
        ]
        row = self._rows[number]
        return receipt_text(row_findings(row, [*others, *mutant.rules])) != self._expected[number]

    def _broken_at(self, rules: Sequence[Rule]) -> Iterator[Places]:
        """Where each rule is broken, whatever other rules say."""
        for start in range(0, len(rules), AT_ONCE):
            plan = compile_rules(
                _alone(rule, f"{number:05}")
                for number, rule in enumerate(rules[start : start + AT_ONCE])
            )
            findings, _, _ = validate(self._batch, plan, self._envelopes, limits=NO_FLOOD)
            places: dict[str, Places] = defaultdict(lambda: defaultdict(list))
            for rule, record, order in zip(
                findings.rule.tolist(), findings.record.tolist(), findings.order.tolist(),
                strict=True,
            ):  # fmt: skip
                places[plan.rules[rule].id][record].append(order)
            for number in range(len(rules[start : start + AT_ONCE])):
                yield places[f"{number:05}"]


def _alone(rule: Rule, name: str) -> Rule:
    """The rule under another id, with no effect on others and none on the upload."""
    editions = tuple(replace(edition, severity="reject") for edition in rule.editions)
    return replace(rule, id=name, editions=editions, stops=False, subsumes=())
