"""The record an example describes: a base of the catalogue with the changes made."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from pipeline.generate.ids import treatment_id
from pipeline.generate.moments import moment_of
from pipeline.taipei import TAIPEI
from rules.functions import roc_moment
from rules.model import Base, Example

Values = dict[str, str]

# A treatment id and the field whose moment it holds.
_MINTED = (("M15", "M11"), ("M16", "M19"), ("M52", "M49"))
_SPECIAL = re.compile(r"SM0{18}|MISS0{16}|9{20}|[A-Z][0-9]{3}0{16}")
_TREATMENT_ID = re.compile(r"[0-9A-Z]{20}")
_PERSON = re.compile(r"[A-Z][0-9A-D][0-9]{8}")


@dataclass(frozen=True)
class ExampleRecord:
    """Cells of a visit (H and M fields) and its orders; ``received`` is wall clock in Taipei."""

    visit: Values
    orders: tuple[Values, ...]
    received: datetime
    sender: str


def example_record(example: Example, bases: dict[str, Base]) -> ExampleRecord:
    """The changes in the order that ``rules.model.Example`` names."""
    base = bases[example.base]
    orders = _orders(example, base)
    visit = base.record | example.set
    for field in example.unset:
        visit.pop(field, None)
    if example.mint:
        _mint(visit, orders, example)
    received = datetime.fromisoformat(example.received or base.received)
    return ExampleRecord(visit, tuple(orders), received, example.sender or base.sender)


def _orders(example: Example, base: Base) -> list[Values]:
    orders = [dict(order) for order in base.orders]
    for change in example.orders:
        order = orders[change.number - 1]
        order.update(change.set)
        for field in change.unset:
            order.pop(field, None)
    orders = [order for n, order in enumerate(orders, start=1) if n not in example.drop]
    orders += [dict(order) for order in example.add]
    if example.repeat is not None:
        number, times = example.repeat
        copies = [dict(orders[number - 1]) for _ in range(times - 1)]
        orders = orders[:number] + copies + orders[number:]
        numbered = enumerate(orders, start=1)
        orders = [order | ({"D03": f"{n:03}"} if "D03" in order else {}) for n, order in numbered]
    return orders


def _mint(visit: Values, orders: list[Values], example: Example) -> None:
    """Make the treatment ids and D01 agree with the dates beside them."""
    person = visit.get("M03", "")
    for field, moment_field in _MINTED:
        known, moment = visit.get(field, ""), roc_moment(visit.get(moment_field, ""))
        kept = field in example.set or not _TREATMENT_ID.fullmatch(known) or _SPECIAL.match(known)
        if not kept and moment is not None and _PERSON.fullmatch(person):
            seconds = moment_of(moment.replace(tzinfo=TAIPEI))
            visit[field] = known[:6] + treatment_id(visit.get("M05", ""), person, seconds)[6:]
    explicit = {change.number for change in example.orders if "D01" in change.set}
    for number, order in enumerate(orders, start=1):
        if "M11" in visit and "D01" in order and number not in explicit:
            order["D01"] = visit["M11"]
