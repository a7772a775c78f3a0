"""What a record becomes when the card could not be read."""

from __future__ import annotations

from pipeline.generate.record import Record

CODES = (
    *("A000", "A000", "A001", "A010", "A011", "A020", "A021", "A030", "A031", "B000", "B001"),
    *("C000", "C001", "C003", "D000", "D001", "D010", "D011", "E000", "E001", "F000", "H000"),
    *("J000", "Z000", "Z001"),
)


def as_abnormal(record: Record, code: str) -> None:
    """Make a normal record abnormal: format B, a code for a sequence, nothing from the card."""
    visit = record.visit
    visit["H01"], visit["M13"] = "B", code
    for name in ("M01", "M02", "M14"):
        visit.pop(name, None)
    for order in record.orders:
        order.pop("D11", None)
