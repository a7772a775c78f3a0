"""A visit as its institution would send it in format 1.0, made of the same visit in 2.0."""

from __future__ import annotations

from pipeline.generate.record import Record, Values
from schemas import V1

_FORMATS = {"A": "1", "B": "2"}
_DRUGS = ("1", "M")
_LONG_TERM = ("C", "F")  # D04: refills
# A72 of what is no drug; then A78 by D05: of a drug, of a refill, of what is no drug
_PROCEDURE = "3"
_TYPES = {"3": "4", "G": "G", "J": "J"}
_HANDING = {"0": ("01", "05", "03"), "1": ("02", "06", "04"), "A": ("01", "05", "03")}


def as_v1(record: Record) -> Record:
    """The fields that 1.0 has, by its own ids; what is new in 2.0 is left out."""
    visit = _carried(record.visit)
    visit["A01"] = _FORMATS[record.visit["H01"]]
    visit["A02"] = "1.0"
    visit.setdefault("A54", record.visit["M11"])
    made = record.copy()
    made.visit, made.orders = visit, [_order(order) for order in record.orders]
    return made


def corrected(record: Record, fee: str) -> Record:
    """The correction of a 1.0 record: another fee, the same visit."""
    made = record.copy()
    made.visit["A01"] = {"1": "3", "2": "4"}[record.visit["A01"]]
    made.visit["A31"] = fee
    return made


def _order(order: Values) -> Values:
    made = _carried(order)
    is_drug, refill = order["D02"] in _DRUGS, order.get("D04") in _LONG_TERM
    made["A72"] = ("2" if refill else "1") if is_drug else _TYPES.get(order["D02"], _PROCEDURE)
    if order.get("D05") in _HANDING:
        in_house, long_term, other = _HANDING[order["D05"]]
        made["A78"] = (long_term if refill else in_house) if is_drug else other
    return made


def _carried(values: Values) -> Values:
    return {
        own: values[counterpart.field]
        for own, counterpart in V1.fields.items()
        if not counterpart.redefined and values.get(counterpart.field)
    }
