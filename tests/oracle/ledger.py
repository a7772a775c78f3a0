"""The ledger of the slow merge: what of each prescription is dispensed, by whom, or cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.oracle.visit import MOST_REFILLS, ORDINARY_KINDS, REFILL_KINDS, Visit

Place = tuple[str, int]
"""Kind, and refill from 1 (of an ordinary kind: the first, second … time it is dispensed)."""


@dataclass(frozen=True)
class Slot:
    """A refill that is not open. ``by`` is the key of the visit that dispensed it, ``None``:
    cancelled; ``treatment_id`` what it says in M15, ``record`` its number in the upload."""

    by: str | None
    institution: str
    sequence: int
    treatment_id: str
    record: int


@dataclass
class Ledger:
    """Slots by prescription (a treatment id) and place. What is not here is open."""

    slots: dict[str, dict[Place, Slot]] = field(default_factory=dict)

    def of(self, prescription: str) -> dict[Place, Slot]:
        """The slots of one prescription."""
        return self.slots.get(prescription, {})

    def dispensed(self, prescription: str, kind: str) -> dict[int, Slot]:
        """What is dispensed of one kind, by refill."""
        of = self.of(prescription)
        return {refill: slot for (k, refill), slot in of.items() if k == kind and slot.by}

    def cancelled(self, prescription: str, kind: str) -> set[int]:
        """The refills of one kind that are cancelled."""
        of = self.of(prescription)
        return {refill for (k, refill), slot in of.items() if k == kind and not slot.by}

    def held_by(self, key: str) -> Iterator[tuple[str, Place]]:
        """What a visit has dispensed, of any prescription."""
        for prescription, of in self.slots.items():
            for place, slot in of.items():
                if slot.by == key:
                    yield prescription, place

    def give_back(self, key: str) -> None:
        """What a visit has dispensed is open again."""
        for prescription, place in list(self.held_by(key)):
            self._open(prescription, place)

    def dispense(self, visit: Visit) -> None:
        """What a visit dispenses is dispensed, but for what is not open."""
        slot = Slot(visit.key, visit.institution, visit.sequence, visit.text("M15"), visit.record)
        of = self.slots.setdefault(visit.prescription, {})
        for kind in REFILL_KINDS:
            for refill in visit.refills(kind):
                of.setdefault((kind, refill), slot)
        for kind in visit.ordinary():
            free = [n for n in range(1, MOST_REFILLS + 1) if (kind, n) not in of]
            if free:
                of[kind, free[0]] = slot
        if not of:
            del self.slots[visit.prescription]

    def cancel(self, issuer: Visit, by: Visit) -> None:
        """Every refill from the second on that is open is cancelled."""
        of = self.slots.setdefault(issuer.key, {})
        for place in self.open_refills(issuer):
            of[place] = Slot(None, by.institution, by.sequence, by.key, 0)

    def open_refills(self, issuer: Visit) -> list[Place]:
        """The refills of a prescription from the second on that are open."""
        return [
            (kind, refill)
            for kind in REFILL_KINDS
            for refill in range(2, issuer.allows(kind) + 1)
            if (kind, refill) not in self.of(issuer.key)
        ]

    def forget_cancelled(self, prescription: str, above: dict[str, int]) -> None:
        """Refills above the given number (by kind) are cancelled no longer."""
        for kind in REFILL_KINDS:
            for refill in self.cancelled(prescription, kind):
                if refill > above[kind]:
                    self._open(prescription, (kind, refill))

    def rows(self, live: dict[str, Visit]) -> Iterator[dict[str, object]]:
        """Rows of ``prescriptions``, without those columns that say where they are stored."""
        for prescription in {*self.slots, *live}:
            issuer = live.get(prescription)
            for place in self._places(prescription, issuer):
                yield self._row(prescription, issuer, place)

    def _places(self, prescription: str, issuer: Visit | None) -> set[Place]:
        allowed = {
            (kind, refill)
            for kind in REFILL_KINDS
            for refill in range(1, (issuer.allows(kind) if issuer else 0) + 1)
        }
        return allowed | set(self.of(prescription))

    def _row(self, prescription: str, issuer: Visit | None, place: Place) -> dict[str, object]:
        kind, refill = place
        slot = self.of(prescription).get(place)
        goes_so_far = issuer is not None and refill <= issuer.allows(kind)
        row: dict[str, object] = {
            "prescription_id": prescription,
            "kind": KIND_NAMES[kind],
            "refill": refill,
            "status": "open",
            "institution": issuer.institution if issuer and goes_so_far else None,
            "by_institution": None,
            "by_treatment_id": None,
            "by_record": None,
            "sequence": issuer.sequence if issuer else None,
        }
        if slot:
            row |= {"status": "dispensed" if slot.by else "cancelled", "sequence": slot.sequence}
        if slot and slot.by:
            row |= {"by_institution": slot.institution, "by_treatment_id": slot.treatment_id}
            row["by_record"] = slot.record
        return row

    def _open(self, prescription: str, place: Place) -> None:
        del self.slots[prescription][place]
        if not self.slots[prescription]:
            del self.slots[prescription]


KIND_NAMES = {
    "A": "general",
    "B": "chronic-once",
    "C": "chronic",
    "D": "controlled-once",
    "E": "controlled-chronic-once",
    "F": "controlled",
}
assert set(KIND_NAMES) == {*ORDINARY_KINDS, *REFILL_KINDS}
