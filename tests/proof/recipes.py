"""Repeats an example's changes on generated records where they must have the same findings.

Whether a rule is broken follows from a few of its leaves. A record is fit for a recipe when, with
the changes made, the leaves that settle each rule that reads a changed field say there what they
say in the example. The other rules stay as they were: not broken.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rules.load import load_bases
from rules.model import Base, Example
from schemas import ORDER_FIELDS
from tests.oracle.examples import MINTED, example_row
from tests.oracle.findings import row_findings
from tests.oracle.record import Row
from tests.proof.hosts import Hosts
from tests.proof.leaves import ORDERS, Leaf, decide
from tests.proof.transplant import Transplant, drops_all

Expected = Counter[tuple[str, int | None, str]]
"""Findings as (field, order from 0 or ``None``, code)."""
Reasons = list[frozenset[Leaf]]
"""Of one rule: the leaves that settle it, by order of the example, or once for the record."""
TRIED = 40  # hosts tried for a recipe
MAPPINGS = 8  # ways to choose a host's orders
NO_ORDERS = "no orders like those of the example"


@dataclass(frozen=True)
class Broken:
    """A host with an example's changes made, and the findings that must follow."""

    row: Row
    expected: Expected


class Recipe:
    """One failing example with what decides where it can be repeated."""

    def __init__(self, example: Example, hosts: Hosts) -> None:
        self.example, self.base, self.hosts = example, load_bases()[example.base], hosts
        self.row = example_row(example, load_bases())
        self.changed = changed_by(example)
        self.found = row_findings(self.row, hosts.rules)
        self.unfit: Counter[str] = Counter()
        self._of_record: dict[Leaf, bool] = {}
        self._of_orders: dict[str, Reasons] = {}
        for rule_id, leaves in hosts.leaves.items():
            if any(leaf.reads & self.changed for leaf in leaves):
                self._settle(rule_id, per_order=any(leaf.per_order for leaf in leaves))
        self._touched = {
            leaf: h for leaf, h in self._of_record.items() if leaf.reads & self.changed
        }
        self._reaching = {rule_id for rule_id in self._of_orders if self._reaches(rule_id)}
        self._orders = self.row.each_order()

    def broken(self, wanted: int) -> list[Broken]:
        """The example's changes on up to ``wanted`` hosts that are fit."""
        fitting = (self._on(self.hosts.records[number]) for number in self._likely()[:TRIED])
        return list(itertools.islice((one for one in fitting if one is not None), wanted))

    def _settle(self, rule_id: str, *, per_order: bool) -> None:
        rows = self.row.each_order() if per_order else [self.row]
        reasons = []
        for row in rows:
            _, _, leaves = decide(
                self.hosts.parts[rule_id], row, lambda leaf, row=row: self._cost(leaf, row)
            )
            reasons.append(leaves)
            for leaf in leaves:
                if not leaf.per_order:
                    self._of_record[leaf] = leaf.helps(self.row)
        if per_order:
            self._of_orders[rule_id] = reasons

    def _cost(self, leaf: Leaf, row: Row) -> float:
        if leaf.per_order or leaf.reads & self.changed:
            return 0.0 if leaf.reads <= self.changed else 0.5
        return self.hosts.rarity(leaf, leaf.helps(row))

    def _likely(self) -> list[int]:
        """The hosts where all that the changes don't touch is as in the example."""
        fit = np.ones(len(self.hosts.records), np.bool_)
        for leaf, helps in self._of_record.items():
            if not leaf.reads & self.changed:
                fit &= self.hosts.agreeing(leaf, helps)
                if not fit.any():
                    self.unfit[leaf.text] += 1
                    break
        return [int(number) for number in np.flatnonzero(fit)]

    def _on(self, host: Base) -> Broken | None:
        for orders in self._mappings(host):
            transplant = Transplant(self.base, host, orders)
            example = transplant.of(self.example)
            row = example_row(example, {host.name: host})
            for leaf, helps in self._touched.items():
                if leaf.helps(row) is not helps:
                    self.unfit[leaf.text] += 1
                    return None
            expected = self._expected_on(row, self._changed_orders(orders, example, row))
            if expected is not None:
                return Broken(row, expected)
        self.unfit[NO_ORDERS] += 1
        return None

    def _mappings(self, host: Base) -> Iterator[dict[int, int]]:
        example = self.example
        numbers = {change.number for change in example.orders} | set(example.drop)
        if drops_all(example, self.base):
            numbers = set()
        if example.repeat is not None:
            numbers.add(example.repeat[0])
        choices = itertools.permutations(range(1, len(host.orders) + 1), len(numbers))
        mappings = [
            dict(zip(sorted(numbers), c, strict=True)) for c in itertools.islice(choices, 200)
        ]
        mappings.sort(key=lambda mapping: self._unlike(host, mapping))
        yield from mappings[:MAPPINGS]

    def _unlike(self, host: Base, mapping: dict[int, int]) -> int:
        return sum(
            self.base.orders[number - 1].get(field) != host.orders[other - 1].get(field)
            for number, other in mapping.items()
            for field in ("D02", "D04", "D05", "D09", "D14")
        )

    def _changed_orders(self, orders: dict[int, int], example: Example, row: Row) -> dict[int, int]:
        """Where changed and added orders stand on the host, and in the example (from 0)."""
        like = {
            _index(other, example.drop): _index(number, self.example.drop)
            for number, other in orders.items()
            if number not in self.example.drop
        }
        if self.example.repeat is not None:
            number, times = self.example.repeat
            return {orders[number] - 1 + n: number - 1 + n for n in range(times)}
        theirs, ours = len(row.orders), len(self.row.orders)
        return like | {theirs - n: ours - n for n in range(1, len(example.add) + 1)}

    def _expected_on(self, row: Row, like: dict[int, int]) -> Expected | None:
        """The findings of the host's orders, if every rule is settled there as in the example."""
        expected: Expected = Counter(
            (field, None, code) for field, at, code, _, _ in self.found if at is None
        )
        kept = [n for n in range(len(self.row.orders)) if n not in like.values()]
        theirs = row.each_order()
        for rule_id, reasons in self._of_orders.items():
            for index, order in enumerate(theirs):
                if index in like:
                    candidates = [like[index]]
                elif rule_id in self._reaching:
                    candidates = kept
                else:
                    continue
                same = next((n for n in candidates if self._same(reasons[n], n, order)), None)
                if same is None:
                    return None
                expected.update(
                    (field, index, code)
                    for field, at, code, finder, _ in self.found
                    if at == same and finder == rule_id
                )
        wanted = {(field, code) for field, _, code, _, _ in self.found}
        return expected if {(field, code) for field, _, code in expected} == wanted else None

    def _same(self, reason: frozenset[Leaf], number: int, order: Row) -> bool:
        ours = self._orders[number]
        return all(leaf.helps(order) is leaf.helps(ours) for leaf in reason)

    def _reaches(self, rule_id: str) -> bool:
        """Whether the changes may make a rule answer otherwise on orders they don't touch."""
        return any(
            leaf.reads & self.changed
            and (ORDERS in leaf.reads or not leaf.reads & self.changed <= {*ORDER_FIELDS})
            for leaf in self.hosts.leaves[rule_id]
        )


def _index(number: int, dropped: Sequence[int]) -> int:
    """Where an order stands, from 0, once others are dropped."""
    return number - 1 - sum(other < number for other in dropped)


def changed_by(example: Example) -> set[str]:
    """Fields that an example changes, and ``orders``, ``received``, ``sender`` if it does."""
    changed = {*example.set, *example.unset}
    for change in example.orders:
        changed |= {*change.set, *change.unset}
    if example.add or example.drop or example.repeat is not None:
        changed |= {ORDERS, *ORDER_FIELDS}
    if example.mint:
        changed |= {field for field, _ in MINTED} | {"D01"}
    if example.received is not None:
        changed.add("received")
    if example.sender is not None:
        changed.add("sender")
    return changed


def findings_of(receipt: str) -> Expected:
    """Receipt grammar, read."""
    found: Expected = Counter()
    for part in receipt.split(";"):
        place, _, code = part.partition(":")
        field, bracket, number = place.partition("[")
        if part:
            found[field, int(number[:-1]) - 1 if bracket else None, code] += 1
    return found
