"""What later records refer to: earlier visits, open prescriptions, records to correct or delete.

Only records without a fault enter, in the order they are written, so a set run in file-name order
makes sense: nothing is corrected before it was sent, or dispensed twice.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from pipeline.generate.record import Person, Record

_ORIGINS = frozenset(("01", "02", "03", "04", "06", "07", "08", "09", "AD"))
_MOST_OPEN = 20_000


class Origin(NamedTuple):
    """A visit that another refers to by M16-M19; ``sequence`` is "" where it had none."""

    person: Person
    treatment_id: str
    institution: str
    sequence: str
    moment: int


@dataclass(frozen=True)
class Prescription:
    """A prescription with refills left (``times`` in all, ``next_refill`` from 1).

    ``kind`` is D04: A and B are dispensed once, C and F are the two refill kinds. ``drugs`` are
    codes and days.
    """

    origin: Origin
    kind: str
    days: int
    times: int
    next_refill: int
    diagnosis: str
    drugs: tuple[tuple[str, int], ...]


@dataclass
class Books:
    """What one institution remembers of what it sent."""

    seen: deque[Origin] = field(default_factory=lambda: deque(maxlen=12))
    mine: deque[Record] = field(default_factory=lambda: deque(maxlen=6))
    prescriptions: list[Prescription] = field(default_factory=list)
    cancelled: list[Prescription] = field(default_factory=list)
    minted: set[str] = field(default_factory=set)

    def note(self, record: Record, institution: str) -> None:
        """Remember a record without faults that was just written."""
        visit = record.visit
        if visit["H01"] not in "AB":
            return
        if visit["M07"] in _ORIGINS and visit["M12"] == "1":
            self.seen.append(
                Origin(
                    record.person, visit["M15"], institution, visit.get("M13", ""), record.moment
                )
            )
        if visit["H00"] == "1":
            self.mine.append(record)

    def replace(self, corrected: Record) -> None:
        """A correction takes the place of what it corrects."""
        treatment_id = corrected.visit["M15"]
        kept = (corrected if r.visit["M15"] == treatment_id else r for r in self.mine)
        self.mine = deque(kept, maxlen=6)

    def forget(self, treatment_id: str) -> None:
        """A visit that was deleted is neither referred to nor corrected any more."""
        self.seen = deque((o for o in self.seen if o.treatment_id != treatment_id), maxlen=12)
        kept = (r for r in self.mine if r.visit["M15"] != treatment_id)
        self.mine = deque(kept, maxlen=6)


@dataclass
class Market:
    """Prescriptions any pharmacy may dispense, over the whole country."""

    once: list[Prescription] = field(default_factory=list)
    refills: list[Prescription] = field(default_factory=list)

    def offer(self, prescription: Prescription) -> None:
        """Open a prescription, or what is left of it."""
        shelf = self.refills if prescription.kind in "CF" else self.once
        if len(shelf) < _MOST_OPEN:
            shelf.append(prescription)

    def take(self, rng: Random, *, refill: bool, before: int) -> Prescription | None:
        """One issued before a moment, which nobody else gets; ``None`` where luck finds none."""
        shelf = self.refills if refill else self.once
        for _ in range(min(4, len(shelf))):
            at = rng.randrange(len(shelf))
            if shelf[at].origin.moment < before:
                shelf[at], shelf[-1] = shelf[-1], shelf[at]
                return shelf.pop()
        return None
