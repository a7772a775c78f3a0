"""An example's changes, made to another record.

What the changes say of moments, persons and institutions of their base is said of the other record
instead: a moment keeps its distance from the visit, an identifier its relation to the person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from rules.model import Base, Example
from schemas import fields
from tests.oracle import cells


@dataclass(frozen=True)
class Transplant:
    """From a base to a host, both with a well-formed M11; ``orders`` says which order of the host
    stands for which of the base (numbers from 1)."""

    base: Base
    host: Base
    orders: dict[int, int]

    def of(self, example: Example) -> Example:
        """The example as one of the host."""
        drop: Iterable[int] = range(1, len(self.host.orders) + 1)  # where the example drops all
        if not drops_all(example, self.base):
            drop = sorted(self.orders[number] for number in example.drop)
        return replace(
            example,
            base=self.host.name,
            received=example.received and self._received(example.received),
            sender=example.sender and self._institution(example.sender),
            set=self._cells(example.set),
            orders=tuple(
                replace(change, number=self.orders[change.number], set=self._cells(change.set))
                for change in example.orders
            ),
            add=tuple(self._cells(order) for order in example.add),
            drop=tuple(drop),
            repeat=example.repeat and (self.orders[example.repeat[0]], example.repeat[1]),
        )

    def _cells(self, values: dict[str, str]) -> dict[str, str]:
        return {field: self._cell(field, text) for field, text in values.items()}

    def _cell(self, field: str, text: str) -> str:
        if cells.known_text(field, text) is None:
            return text
        match fields()[field].kind:
            case "date" | "datetime":
                return self._moment(field, text)
            case "institution":
                return self._institution(text)
            case "person" if text == self.base.record["M03"]:
                return self.host.record["M03"]
            case "treatment_id" if not cells.special(field, text):
                return self._treatment_id(text)
        return text

    @property
    def _shift(self) -> timedelta:
        return visit_moment(self.host) - visit_moment(self.base)

    def _moment(self, field: str, text: str) -> str:
        days = visit_moment(self.host).date() - visit_moment(self.base).date()
        value = cells.value(field, text)
        if isinstance(value, datetime):
            midnight = text.endswith("000000")  # a day whose time isn't known
            moved: date = value + (days if midnight else self._shift)
        else:
            assert isinstance(value, date)
            moved = value + days
        return f"{moved.year - 1911:03}{moved:%m%d}" + (
            f"{moved:%H%M%S}" if isinstance(moved, datetime) else ""
        )

    def _received(self, text: str) -> str:
        later = datetime.fromisoformat(text) - datetime.fromisoformat(self.base.received)
        return (datetime.fromisoformat(self.host.received) + later).isoformat()

    def _institution(self, text: str) -> str:
        return self.host.record["M05"] if text == self.base.record["M05"] else text

    def _treatment_id(self, text: str) -> str:
        """Each part that is the base's own becomes the host's; its moment moves with the visit."""
        of, by = self.base.record, self.host.record
        place = by["M15"][:6] if text[:6] == of["M15"][:6] else text[:6]
        own = text[6:13] == cells.person_code(of["M03"])
        person = cells.person_code(by["M03"]) if own else text[6:13]
        moment = cells.moment_of("M15", text)
        assert moment is not None
        return place + person + text[13] + cells.moment_code(moment + self._shift)


def drops_all(example: Example, base: Base) -> bool:
    """Whether an example leaves none of its base's orders."""
    return bool(example.drop) and len(example.drop) == len(base.orders)


def visit_moment(base: Base) -> datetime:
    """M11 of a base or host."""
    moment = cells.value("M11", base.record["M11"])
    assert isinstance(moment, datetime), base.name
    return moment
