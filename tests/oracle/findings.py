"""The findings of one record under a rule set, rule by rule and order by order."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime

from rules.model import Edition, Rule
from schemas import every_field
from tests.oracle import cells
from tests.oracle.interpreter import broken, order_fields
from tests.oracle.record import Row

Found = tuple[str, int | None, str, str, str]
PLACES = {
    name: place for place, name in enumerate((*every_field(), "MB1", "MB2", "MSH", "MB", "REC"))
}


def oracle_findings(
    record: dict[str, str],
    orders: list[dict[str, str]],
    rules: Iterable[Rule],
    received: datetime,
    sender: str | None,
) -> list[Found]:
    """(field, order index from 0 or None, code, rule id, severity), in the order of a receipt.

    Cells are texts by field id; an absent element is an absent key. ``received`` may be aware, or
    naive wall clock in Taipei.
    """
    return row_findings(Row(record, orders, received, sender), rules)


def row_findings(row: Row, rules: Iterable[Rule]) -> list[Found]:
    """The same for a row that knows of reference tables, too."""
    found: list[tuple[Rule, Edition, int | None]] = []
    for rule in rules:
        if not rule.is_compiled or not _applies(rule, row):
            continue
        for edition in rule.editions:
            if edition.broken_when and _in_force(rule, edition, row):
                found += [(rule, edition, order) for order in _broken_at(edition.broken_when, row)]
    if any(rule.stops for rule, _, _ in found):
        found = [entry for entry in found if entry[0].stops]
    named = [
        (rule.field, order, edition.code, rule.id, edition.severity)
        for rule, edition, order in found
        if not any(
            edition.code in other.subsumes and other.id != rule.id
            for other, _, there in found
            if (other.field, there) == (rule.field, order)
        )
    ]
    return sorted(named, key=receipt_order)


def receipt_text(found: Iterable[Found]) -> str:
    """Findings in receipt grammar: ``M15:AA;D01[1]:BE;``."""
    return "".join(
        f"{field}{'' if order is None else f'[{order + 1}]'}:{code};"
        for field, order, code, _, _ in found
    )


def _broken_at(expression: str, row: Row) -> list[int | None]:
    if not order_fields(expression):
        return [None] if broken(expression, row) else []
    return [order.order for order in row.each_order() if broken(expression, order)]


def _applies(rule: Rule, row: Row) -> bool:
    of = ("A01", "A00") if rule.version == "1.0" else ("H01", "H00")
    return all(
        values is None or cells.known_text(field, row.text(field)) in values
        for field, values in zip(of, (rule.applies.formats, rule.applies.kinds), strict=True)
    )


def _in_force(rule: Rule, edition: Edition, row: Row) -> bool:
    if edition.start is None and edition.until is None:
        return True
    day = row.wall_clock.date()
    if edition.clock == "visit":
        moment = "A17" if rule.version == "1.0" else "M11"
        visit = cells.value(moment, row.text(moment))
        day = visit.date() if isinstance(visit, datetime) else day
    return _bound(edition.start, date.min) <= day < _bound(edition.until, date.max)


def _bound(text: str | None, otherwise: date) -> date:
    day = None if text is None else cells.as_date(text)
    return otherwise if day is None else day


def receipt_order(found: Found) -> tuple[int, int, str, str]:
    """The record before its orders, then by field and code."""
    field, order, code, rule, _ = found
    return -1 if order is None else order, PLACES.get(field, len(PLACES)), code, rule
