"""One record with its orders, as cells of text, seen from the record or from one of its orders."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from schemas import every_field
from tests.oracle.reference import Tables

TAIPEI = timezone(timedelta(hours=8))


@dataclass(frozen=True)
class Row:
    """A record, and the index of the order that is looked at (``None``: the record itself).

    ``folded`` keeps what was found over all orders: it is the same whichever order asks.
    """

    record: dict[str, str]
    orders: list[dict[str, str]]
    received: datetime
    sender: str | None
    order: int | None = None
    tables: Tables = field(default_factory=dict)
    official: bool = True
    vpn: bool = False
    address: str | None = None
    folded: dict[object, list[bool | None]] = field(default_factory=dict, repr=False, compare=False)

    def text(self, field: str) -> str | None:
        """The text of a cell, ``None`` where the element is absent."""
        if not every_field()[field].is_order:
            return self.record.get(field)
        assert self.order is not None, f"{field} needs an order"
        return self.orders[self.order].get(field)

    def each_order(self) -> list[Row]:
        return [replace(self, order=index) for index in range(len(self.orders))]

    def in_other_orders(self, field: str) -> list[str | None]:
        """The texts of an order field in the record's other orders."""
        return [order.get(field) for n, order in enumerate(self.orders) if n != self.order]

    @property
    def wall_clock(self) -> datetime:
        """The moment of receipt in Taipei, naive, in whole seconds."""
        moment = self.received
        if moment.tzinfo is not None:
            moment = moment.astimezone(TAIPEI).replace(tzinfo=None)
        return moment.replace(microsecond=0)
