"""From the ``examples`` of a rule document, and from ``bases.yaml``, to records and changes."""

from __future__ import annotations

from datetime import datetime

from rules.document import Section
from rules.model import Base, Example, Order
from schemas import every_field
from schemas.reference import REFERENCE_TABLES


def examples(section: Section, row: str | None) -> tuple[Example, ...]:
    """The examples of one rule; those with ``for`` belong to that row of ``each`` only."""
    found = []
    for part in section.sections("examples"):
        one = example(part)
        part.close()
        if row is None and one.row is not None:
            raise part.fail("for names a row of each, but the rule has no each")
        if one.row in (None, row):
            found.append(one)
    return tuple(found)


def base(name: str, section: Section) -> Base:
    """One base record of ``bases.yaml``."""
    orders = section.sections("orders")
    found = Base(
        name=name,
        received=_moment(section, section.text("received")),
        sender=section.text("sender"),
        record=_cells(section, "record", is_order=False),
        orders=tuple(_order_cells(order) for order in orders),
    )
    section.close()
    return found


def example(part: Section) -> Example:
    """One example; the caller closes its section."""
    received = part.optional("received")
    repeat = part.section("repeat_order")
    times = None
    if repeat is not None:
        times = (repeat.count("n"), repeat.count("times"))
        repeat.close()
    return Example(
        base=part.text("base"),
        expect=part.text("expect", ""),
        row=part.optional("for"),
        received=None if received is None else _moment(part, received),
        sender=part.optional("sender"),
        set=_cells(part, "set", is_order=False),
        unset=_field_ids(part, "unset", is_order=False),
        orders=tuple(_order(order) for order in part.sections("orders")),
        add=tuple(_order_cells(order) for order in part.sections("add_orders")),
        drop=_numbers(part, "drop_orders"),
        repeat=times,
        mint=part.flag("mint"),
        line=part.line,
        tables=_tables(part),
        address=part.optional("address"),
        precheck=part.choice("mode", ("official", "precheck"), "official") == "precheck",
        vpn=part.choice("channel", ("web-api", "vpn"), "web-api") == "vpn",
    )


def _tables(part: Section) -> dict[str, tuple[dict[str, str], ...]]:
    section = part.section("reference")
    if section is None:
        return {}
    found = {}
    for name in section.mapping:
        if name not in REFERENCE_TABLES:
            raise section.fail(f"there is no reference table {name}; see schemas/reference.py")
        header = REFERENCE_TABLES[name].header
        found[str(name)] = tuple(_table_row(row, header) for row in section.sections(str(name)))
    return found


def _table_row(section: Section, header: tuple[str, ...]) -> dict[str, str]:
    row = {column: section.text(column, "") for column in header}
    section.close()
    return row


def _order(section: Section) -> Order:
    order = Order(
        section.count("n"),
        _cells(section, "set", is_order=True),
        _field_ids(section, "unset", is_order=True),
    )
    section.close()
    return order


def _order_cells(section: Section) -> dict[str, str]:
    cells = {}
    for key in section.mapping:
        _known(section, str(key), is_order=True)
        cells[str(key)] = section.text(str(key), "")
    return cells


def _cells(section: Section, key: str, *, is_order: bool) -> dict[str, str]:
    cells = section.table(key)
    for field_id in cells:
        _known(section, field_id, is_order=is_order)
    return cells


def _field_ids(section: Section, key: str, *, is_order: bool) -> tuple[str, ...]:
    ids = section.texts(key)
    for field_id in ids:
        _known(section, field_id, is_order=is_order)
    return ids


def _known(section: Section, field_id: str, *, is_order: bool) -> None:
    level = "an order" if is_order else "the visit"
    if field_id not in every_field() or every_field()[field_id].is_order != is_order:
        raise section.fail(f"{field_id} is no field of {level}; see schemas/fields.csv")


def _numbers(section: Section, key: str) -> tuple[int, ...]:
    texts = section.texts(key)
    if not all(text.isdecimal() and int(text) > 0 for text in texts):
        raise section.fail(f"{key} holds order numbers, from 1")
    return tuple(int(text) for text in texts)


def _moment(section: Section, text: str) -> str:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise section.fail(f"{text!r} is no moment; write 2025-04-02T20:55:00") from None
    return text
