"""Generated records, and what the leaves of all rules say of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from math import log

import numpy as np
import numpy.typing as npt

from pipeline.validate.validate import validate
from rules.compile import compile_rules
from rules.model import Base, Rule
from tests.batches import make_batch
from tests.oracle.record import Row
from tests.proof.engine import NO_FLOOD, envelope_of
from tests.proof.leaves import Leaf, leaves_of, parts_of
from tests.test_rules.planned import rule_of


class Hosts:
    """Records that break no rule, and the parts of the rules that a record decides."""

    def __init__(self, records: Sequence[Base], rules: Iterable[Rule]) -> None:
        self.records = records
        self.rules = [rule for rule in rules if rule.is_compiled and rule.decided_by == "record"]
        self.parts = {rule.id: parts_of(rule) for rule in self.rules}
        self.leaves = {rule_id: leaves_of(part) for rule_id, part in self.parts.items()}
        every = frozenset().union(*self.leaves.values())
        self._helps = self._ask(sorted((leaf for leaf in every if not leaf.per_order), key=str))

    def agreeing(self, leaf: Leaf, helps: bool) -> npt.NDArray[np.bool_]:
        """Of which records a leaf over the record says so."""
        return self._helps[leaf] == helps

    def rarity(self, leaf: Leaf, helps: bool) -> float:
        """0 where the leaf says so of every record, more the fewer there are."""
        return -log(max(float(self.agreeing(leaf, helps).mean()), 1e-6))

    def _ask(self, leaves: Sequence[Leaf]) -> dict[Leaf, npt.NDArray[np.bool_]]:
        records = self.records
        batch = make_batch([(r.record, r.orders) for r in records], uploads=[1] * len(records))
        rows = [Row(r.record, [], datetime.fromisoformat(r.received), r.sender) for r in records]
        plan = compile_rules(
            rule_of(f"not ({leaf.text})" if leaf.negated else leaf.text, f"leaf/{number:05}")
            for number, leaf in enumerate(leaves)
        )
        findings, _, _ = validate(batch, plan, [envelope_of(row) for row in rows], limits=NO_FLOOD)
        helps = np.zeros((len(leaves), len(records)), np.bool_)
        helps[findings.rule, findings.record] = True
        return dict(zip(leaves, helps, strict=True))
