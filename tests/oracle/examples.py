"""Makes the record of a rule's example, and the receipt text the oracle gives it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from rules.model import Base, Example, Rule
from tests.oracle import cells
from tests.oracle.findings import receipt_text, row_findings
from tests.oracle.record import Row

# treatment id, person, moment, and the visit field or order field the moment is read from
MINTED = (("M15", "M11"), ("M16", "M19"), ("M52", "M49"))


def example_row(example: Example, bases: dict[str, Base]) -> Row:
    """The record of an example: its base with the changes made, in the order the model names."""
    base = bases[example.base]
    orders = [dict(order) for order in base.orders]
    for change in example.orders:
        order = orders[change.number - 1]
        order.update(change.set)
        for field in change.unset:
            order.pop(field, None)
    orders = [order for n, order in enumerate(orders, start=1) if n not in example.drop]
    orders += [dict(order) for order in example.add]
    if example.repeat is not None:
        orders = _repeat(orders, *example.repeat)
    record = base.record | example.set
    for field in example.unset:
        record.pop(field, None)
    if example.mint:
        _mint(record, orders, example)
    received = datetime.fromisoformat(example.received or base.received)
    sender = example.sender or base.sender
    return Row(
        record, orders, received, sender, tables=example.tables, address=example.address,
        official=not example.precheck, vpn=example.vpn,
    )  # fmt: skip


def example_text(example: Example, bases: dict[str, Base], rules: Iterable[Rule]) -> str:
    """All findings of the rules on the example's record, in receipt grammar."""
    row = example_row(example, bases)
    return receipt_text(row_findings(row, rules))


def distinct_examples(rules: Iterable[Rule]) -> dict[tuple[str, int], Example]:
    """Every example once, by file and line (rows of one ``each`` share examples)."""
    return {(str(rule.path), e.line): e for rule in rules for e in rule.examples}


def _repeat(orders: list[dict[str, str]], number: int, times: int) -> list[dict[str, str]]:
    copies = [dict(orders[number - 1]) for _ in range(times - 1)]
    orders = orders[:number] + copies + orders[number:]
    return [
        order | ({"D03": f"{n:03}"} if "D03" in order else {})
        for n, order in enumerate(orders, start=1)
    ]


def _mint(record: dict[str, str], orders: list[dict[str, str]], example: Example) -> None:
    for field, moment_field in MINTED:
        moment = cells.value(moment_field, record.get(moment_field))
        person = cells.known_text("M03", record.get("M03"))
        known = cells.known_text(field, record.get(field))
        if field in example.set or known is None or cells.special(field, known):
            continue
        if isinstance(moment, datetime) and person is not None:
            seventh = cells.person_code(person)
            record[field] = known[:6] + seventh + known[13] + cells.moment_code(moment)
    explicit = {change.number for change in example.orders if "D01" in change.set}
    for number, order in enumerate(orders, start=1):
        if "M11" in record and "D01" in order and number not in explicit:
            order["D01"] = record["M11"]
