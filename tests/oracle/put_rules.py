"""Rows 3 to 15 of docs/MERGE.md: what a put may break, looked at slowly and one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.oracle.ledger import Ledger, Slot
from tests.oracle.visit import ORDINARY_KINDS, REFILL_KINDS, Visit, identifies

Broken = tuple[int, str, str]
"""Row of docs/MERGE.md, field, rule."""

ORIGIN = {*(f"0{n}" for n in range(1, 10)), "AD", "BA", "BB", "BG", "BE"}
OF_KIND = {"C": "chronic", "F": "controlled"}
UNKNOWN = "state/original-visit-unknown/"
DISPENSING = "state/dispensing-not-allowed/"


@dataclass(frozen=True)
class Put:
    """A new version, the one it replaces (of the same institution), and everything else."""

    new: Visit
    old: Visit | None
    live: dict[str, Visit]
    ledger: Ledger

    def broken(self) -> Iterator[Broken]:
        """What it breaks of rows 3 to 15, each rule once a field."""
        if self.new.text("H00") == "1":
            yield from self._same_second()
            yield from self._original()
            for kind in REFILL_KINDS:
                yield from self._refills(kind)
            yield from self._too_often()

    def _same_second(self) -> Iterator[Broken]:
        elsewhere = [v for v in self.live.values() if v.institution != self.new.institution]
        if any(visit.second == self.new.second for visit in elsewhere):
            yield 3, "M03", "state/earlier-record-conflicts/elsewhere-at-same-time"

    def _original(self) -> Iterator[Broken]:
        new = self.new
        if not identifies(new.text("M16")) or not new.text("M17"):
            return
        here = new.text("M17") == new.text("M05")
        where = "here" if here else "elsewhere"
        original = self.issuer(new.text("M16")) if new.text("M16") != new.key else None
        if original is None or original.institution != new.text("M17"):
            yield 5 if here else 4, "M16", UNKNOWN + where
            return
        if original.text("M07") not in ORIGIN:
            yield 7 if here else 6, "M16", UNKNOWN + where + "-visit-type"
        if new.text("M18") and new.text("M18") != original.text("M13"):
            yield 8, "M18", UNKNOWN + "other-sequence"
        same = original.day == new.day and original.text("M06") == new.text("M06")
        if new.text("M07") == "AI" and not same:
            yield 9, "M07", UNKNOWN + "not-same-day-and-doctor"

    def _refills(self, kind: str) -> Iterator[Broken]:
        count, legs = REFILL_KINDS[kind]
        here = self.new.refills(kind)
        issuer = self.issuer(self.new.prescription)
        others = self.others(self.new.prescription, kind)
        cancelled = self.ledger.cancelled(self.new.prescription, kind)
        rows = set()
        if here and (issuer is None or max(here) > issuer.allows(kind)):
            rows.add(10)
            yield 10, legs, "state/prescription-not-uploaded/" + OF_KIND[kind]
        if here & cancelled:
            rows.add(11)
            yield 11, "M16", DISPENSING + "leg-cancelled"
        if any(others[r].institution != self.new.institution for r in here & set(others)):
            rows.add(12)
            yield 12, "M16", DISPENSING + "leg-dispensed-elsewhere"
        twice = any(others[r].institution == self.new.institution for r in here & set(others))
        before = self.old.prescription if self.old else self.new.prescription
        gap = not rows and self._leaves_gap(self.new.prescription, kind)
        if before != self.new.prescription:
            gap = gap or self._leaves_gap(before, kind)
        if twice or gap:
            yield 13, legs, DISPENSING + "leg-out-of-order/" + OF_KIND[kind]
        if self._takes_back_dispensed(kind):
            yield 14, count, DISPENSING + "leg-taken-back-though-dispensed/" + OF_KIND[kind]

    def _leaves_gap(self, prescription: str, kind: str) -> bool:
        """The first half of row 13, for one prescription that it now or until now dispenses."""
        of = self.ledger.dispensed(prescription, kind)
        before = {refill for refill, slot in of.items() if slot.by == self.new.key}
        here = self.new.refills(kind) if prescription == self.new.prescription else set()
        taken_back = before - here
        own = prescription == self.new.key
        if self.issuer(prescription) is None or not (taken_back or (here and not own)):
            return False
        dispensed = here | set(self.others(prescription, kind))
        return dispensed != set(range(1, len(dispensed) + 1))

    def _takes_back_dispensed(self, kind: str) -> bool:
        if self.old is None:
            return False
        gone = range(self.new.allows(kind) + 1, self.old.allows(kind) + 1)
        return not self.others(self.new.key, kind).keys().isdisjoint(gone)

    def _too_often(self) -> Iterator[Broken]:
        for kind in self.new.ordinary():
            issuer = self.issuer(self.new.prescription)
            said = self.new.number(ORDINARY_KINDS[kind])
            allowed = said if issuer is None else issuer.allows(kind)
            if len(self.others(self.new.prescription, kind)) + 1 > allowed:
                yield 15, "M16", "state/dispensed-too-often"

    def others(self, prescription: str, kind: str) -> dict[int, Slot]:
        """What others have dispensed of a kind: not the version that is replaced."""
        of = self.ledger.dispensed(prescription, kind)
        return {refill: slot for refill, slot in of.items() if slot.by != self.new.key}

    def issuer(self, prescription: str) -> Visit | None:
        """The live visit of a prescription; this version of its own, but none that names itself."""
        if prescription != self.new.key:
            return self.live.get(prescription)
        names_itself = self.new.dispenses and self.new.prescription == prescription
        return None if names_itself else self.new
