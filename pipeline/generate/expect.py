"""What to expect of an upload, in the shape of ``check --format json``.

Only what the planter of a fault knows: no rule ids, messages or values. Places are in bytes of the
upload, found in the bytes just written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pipeline.generate.faults.fault import Fault, Site
from pipeline.generate.faults.structure import Broken


@dataclass
class Expectations:
    """The expected answer to one upload, as it grows record by record."""

    findings: list[dict[str, Any]] = field(default_factory=list)
    records: int = 0
    orders: int = 0
    warned: int = 0
    rejected: int = 0
    orders_rejected: int = 0

    def planted(self, fault: Fault, sites: list[Site], payload: bytes, at: int) -> None:
        """A fault in the values of the record whose bytes ``payload`` begin at ``at``.

        To be called before ``wrote`` counts that record.
        """
        for site in sites:
            offset, length = place_of(site, payload)
            self._add(site.field, site.order, fault.code, fault.severity, at + offset, length)
        if fault.severity == "warn":
            self.warned += 1
        else:
            self.rejected += 1
            self.orders_rejected += len({s.order for s in sites if s.order is not None})

    def broken(self, code: str, broken: Broken, at: int) -> None:
        """A fault in the structure of a record whose bytes begin at ``at``."""
        self._add(broken.field, broken.order, code, "reject", at + broken.offset, broken.length)
        self.rejected += 1
        self.orders_rejected += broken.order is not None

    def _add(
        self, name: str, order: int | None, code: str, severity: str, offset: int, length: int
    ) -> None:
        self.findings.append({
            "record": self.records + 1, "order": order, "field": name, "code": code,
            "severity": severity, "offset": offset, "length": length,
        })  # fmt: skip

    def wrote(self, orders: int) -> None:
        """One more record, with or without a fault."""
        self.records += 1
        self.orders += orders

    def answer(self, name: str) -> dict[str, Any]:
        """The object for an upload that can be taken."""
        counts = {
            "records": self.records,
            "records_accepted": self.records - self.rejected,
            "records_warned": self.warned,
            "records_rejected": self.rejected,
            "orders": self.orders,
            "orders_accepted": self.orders - self.orders_rejected,
            "orders_rejected": self.orders_rejected,
        }
        return {"upload": name, "refusal": None, "counts": counts, "findings": self.findings}


def refused(name: str, code: str, offset: int) -> dict[str, Any]:
    """The object for an upload that is refused as a whole."""
    counts = Expectations().answer(name)["counts"]
    refusal = {"code": code, "offset": offset}
    return {"upload": name, "refusal": refusal, "counts": counts, "findings": []}


def place_of(site: Site, payload: bytes) -> tuple[int, int]:
    """(offset, length) of a value within its record's bytes.

    What isn't there stands at the start tag of its segment with length 0, as does a finding on the
    orders as a whole at MB1.
    """
    head = _segment(payload, site.order)
    start, end = (payload.index(b"<MSH>"), head) if site.field[0] == "H" else (head, len(payload))
    name = site.field.encode()
    if site.order is not None or site.field[0] == "M":
        end = payload.index(b"</MB1>" if site.order is None else b"</MB2>", head)
    at = payload.find(b"<%s>" % name, start, end)
    if at >= 0:
        value = at + len(name) + 2
        return value, payload.index(b"</%s>" % name, value) - value
    at = payload.find(b"<%s/>" % name, start, end)
    return (at + len(name) + 3, 0) if at >= 0 else (head, 0)


def _segment(payload: bytes, order: int | None) -> int:
    at = payload.index(b"<MB1>")
    for _ in range(order or 0):
        at = payload.index(b"<MB2>", at + 1)
    return at
