"""Records about records: corrections, deletes, cancelled refills and their undoing."""

from __future__ import annotations

from pipeline.generate.chains import Prescription
from pipeline.generate.desk import Desk
from pipeline.generate.moments import month_of, stamp
from pipeline.generate.record import Record, Values

_KEYS = ("H00", "M03", "M04", "M05", "M06", "M07", "M11", "M12", "M15")


def correction(desk: Desk) -> Record | None:
    """An earlier visit again with changed values: format A or B under the same treatment id."""
    record = _earlier(desk)
    if record is None:
        return None
    corrected = record.copy()
    corrected.scene = "correction"
    visit = corrected.visit
    visit["M36"] = desk.rng.choice(("Z7982", "R051", "K219"))
    if int(visit.get("M44") or 0) > 0:
        visit["M44"] = desk.style.amount(int(visit["M44"]) + desk.between(1, 200))
    corrected.afterwards = lambda: desk.books.replace(corrected)
    return corrected


def delete(desk: Desk) -> Record | None:
    """The whole visit taken back: keys only. Prescriptions stay, someone may dispense them."""
    record = _earlier(desk)
    if record is None or record.scene not in ("plain", "treated", "newborn", "makeup"):
        return None
    visit = {name: record.visit[name] for name in _KEYS}
    visit["H01"] = "D"
    deleted = Record("delete", record.person, record.moment, visit)
    deleted.afterwards = lambda: desk.books.forget(visit["M15"])
    return deleted


def _earlier(desk: Desk) -> Record | None:
    """One that may still be changed: until the end of the month after its visit."""
    if not desk.books.mine:
        return None
    record = desk.rng.choice(desk.books.mine)
    return record if month_of(record.moment) >= month_of(desk.as_of) - 1 else None


def cancel(desk: Desk) -> Record | None:
    """The issuer cancels the refills that nobody dispensed (C)."""
    if not desk.books.prescriptions:
        return None
    taken = desk.books.prescriptions.pop()
    record = _about(desk, "cancel", "C", taken)
    record.afterwards = lambda: desk.books.cancelled.append(taken)
    return record


def undo(desk: Desk) -> Record | None:
    """The issuer takes a cancellation back (E)."""
    if not desk.books.cancelled:
        return None
    taken = desk.books.cancelled.pop()
    record = _about(desk, "undo", "E", taken)
    record.afterwards = lambda: desk.books.prescriptions.append(taken)
    return record


def _about(desk: Desk, scene: str, data_format: str, taken: Prescription) -> Record:
    origin = taken.origin
    visit: Values = {
        "H00": "1", "H01": data_format, "M03": origin.person.id, "M04": origin.person.birth,
        "M05": origin.institution, "M06": desk.rng.choice(desk.institution.staff), "M07": "01",
        "M11": stamp(origin.moment), "M12": "1", "M13": origin.sequence,
        "M15": origin.treatment_id, "M23": "0",
    }  # fmt: skip
    total, count = ("M21", "M26") if taken.kind == "C" else ("M22", "M29")
    visit[total], visit[count] = str(taken.days * taken.times), str(taken.times)
    return Record(scene, origin.person, origin.moment, visit)
