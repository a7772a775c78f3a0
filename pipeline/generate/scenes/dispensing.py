"""Dispensing a prescription of an earlier visit: pharmacies (AF), and institutions (AE)."""

from __future__ import annotations

from dataclasses import replace

from pipeline.generate.chains import Prescription
from pipeline.generate.desk import Desk, refer
from pipeline.generate.ids import NINES
from pipeline.generate.moments import DAY, HOUR
from pipeline.generate.orders import add, drug, drug_code
from pipeline.generate.record import Record

_REFILL_FIELDS = {"C": ("M21", "M26", "M33"), "F": ("M22", "M29", "M34")}


def dispense(desk: Desk) -> Record:
    """A pharmacy dispenses an ordinary prescription."""
    taken = desk.market.take(desk.rng, refill=False, before=desk.as_of - 2 * HOUR)
    return _dispense(desk, "dispense", "AF", taken or _unseen(desk, "A"))


def dispense_refill(desk: Desk) -> Record:
    """A pharmacy dispenses the next refill of a chronic prescription."""
    taken = desk.market.take(desk.rng, refill=True, before=desk.as_of - 2 * HOUR)
    prescription = taken or _unseen(desk, "C")
    record = _dispense(desk, "dispense_refill", "AF", prescription)
    if taken and taken.next_refill < taken.times:
        left = replace(taken, next_refill=taken.next_refill + 1)
        record.afterwards = lambda: desk.market.offer(left)
    return record


def dispense_own(desk: Desk) -> Record | None:
    """The issuer dispenses a refill it kept."""
    own = desk.books.prescriptions
    if not own or own[0].origin.moment > desk.as_of - 2 * HOUR:
        return None
    taken = own.pop(0)
    record = _dispense(desk, "dispense_own", "AE", taken)
    if taken.next_refill < taken.times:
        left = replace(taken, next_refill=taken.next_refill + 1)
        record.afterwards = lambda: own.append(left)
    return record


def transitional(desk: Desk) -> Record:
    """A prescription from before treatment ids: twenty nines stand for the original visit."""
    record = _dispense(desk, "transitional", "AF", _unseen(desk, "A"))
    record.visit["M16"] = NINES
    return record


def _unseen(desk: Desk, kind: str) -> Prescription:
    """A prescription nobody uploaded in this set."""
    days = 28 if kind == "C" else desk.rng.choice((3, 5, 7))
    moment = desk.moment()
    origin = desk.origin_of(desk.person(), moment - HOUR, elsewhere=True)
    drugs = tuple((drug_code(desk), days) for _ in range(desk.between(1, 4)))
    times, refill = (3, desk.between(2, 4)) if kind == "C" else (1, 1)
    return Prescription(origin, kind, days, times, refill, "I10", drugs)


def _dispense(desk: Desk, scene: str, visit_type: str, taken: Prescription) -> Record:
    latest = desk.as_of - 600
    earliest = max(taken.origin.moment + 600, latest - 2 * DAY)
    moment = desk.between(earliest, latest)
    record = desk.start(scene, visit_type, person=taken.origin.person, moment=moment)
    visit = record.visit
    refer(record, taken.origin)
    amount = desk.style.amount
    visit.update({"M20": str(taken.days), "M23": "0", "M35": taken.diagnosis})
    visit.update({"M44": amount(desk.between(60, 900)), "M45": amount(0)})
    if taken.kind in _REFILL_FIELDS:
        total, count, refill = _REFILL_FIELDS[taken.kind]
        visit[total] = str(taken.days * taken.times)
        visit[count] = str(taken.times)
        visit[refill] = str(taken.next_refill)
    else:
        visit["M24" if taken.kind == "A" else "M25"] = "1"
    for code, days in taken.drugs:
        drug(desk, record, days=days, kind=taken.kind, mode="A", code=code)
    add(desk, record, "9", "05202B", D11=desk.signature(40))
    return record
