"""A record in the making: values by field id, before a vendor's style turns them into bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

Values = dict[str, str]


class Person(NamedTuple):
    """An insured person. ``birth`` is ROC yyyMMdd, ``card`` the number on the card."""

    id: str
    birth: str
    card: str


@dataclass
class Record:
    """One visit as it will be sent.

    ``scene`` names the builder that made it, so a fault knows what it may rely on; ``moment`` is
    M11 in seconds (``moments``); ``visit`` holds H and M fields, each of ``orders`` D, V and E.
    ``afterwards`` is what becomes possible once the record is sent without a fault.
    """

    scene: str
    person: Person
    moment: int
    visit: Values
    orders: list[Values] = field(default_factory=list)
    afterwards: Callable[[], None] | None = None

    def copy(self) -> Record:
        """One that can be changed without touching this."""
        orders = [dict(order) for order in self.orders]
        return Record(self.scene, self.person, self.moment, dict(self.visit), orders)
