"""What a fault is: one thing made wrong in a right record, and the findings it must give.

Codes, fields and severities are those of the published error list, written down here by hand. The
rule engine has no part in it: that the two agree is a test of both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from pipeline.generate.desk import Desk
from pipeline.generate.record import Record, Values

Severity = Literal["reject", "warn"]


class Site(NamedTuple):
    """Where a finding stands: a field, and its order from 1 (``None``: on the visit)."""

    field: str
    order: int | None = None


Plant = Callable[[Desk, Record], list[Site] | None]
"""Makes the record wrong; gives every place that must be reported, ``None`` where it can't."""


@dataclass(frozen=True)
class Fault:
    """One kind of fault. ``scenes`` names the builders of records it can be planted in.

    ``first`` is false where the upload's first record must be spared, since its M05 tells the
    sender.
    """

    name: str
    code: str
    scenes: tuple[str, ...]
    plant: Plant
    severity: Severity = "reject"
    first: bool = True


def put(field: str, value: str) -> Plant:
    """Fill a field of the visit with a wrong value, and report it there."""
    return put_at(field, field, value)


def put_at(site: str, field: str, value: str) -> Plant:
    """Fill a field of the visit; the finding stands at another."""

    def plant(_desk: Desk, record: Record) -> list[Site]:
        record.visit[field] = value
        return [Site(site)]

    return plant


def leave_out(field: str) -> Plant:
    """A visit field left out, or left empty."""

    def plant(desk: Desk, record: Record) -> list[Site]:
        _blank(desk, record.visit, field)
        return [Site(field)]

    return plant


def order_put(
    field: str, value: str, site: str = "", *, where: str = "D02", has: str = ""
) -> Plant:
    """Fill a field of one order (among those with ``where`` one of the characters of ``has``)."""

    def plant(desk: Desk, record: Record) -> list[Site] | None:
        at = pick(desk, record, where, has)
        if at is None:
            return None
        record.orders[at][field] = value
        return [Site(site or field, at + 1)]

    return plant


def order_leave_out(field: str, site: str = "", *, has: str = "") -> Plant:
    """A field of one order left out, or left empty."""

    def plant(desk: Desk, record: Record) -> list[Site] | None:
        at = pick(desk, record, "D02", has)
        if at is None:
            return None
        _blank(desk, record.orders[at], field)
        return [Site(site or field, at + 1)]

    return plant


def pick(desk: Desk, record: Record, where: str = "D02", has: str = "") -> int | None:
    """The index of some order whose ``where`` is one of the characters of ``has`` (any if "")."""
    fitting = [i for i, o in enumerate(record.orders) if not has or o.get(where, "-") in has]
    return desk.rng.choice(fitting) if fitting else None


def _blank(desk: Desk, values: Values, field: str) -> None:
    if desk.rng.random() < 0.3:
        values[field] = ""
    else:
        del values[field]
