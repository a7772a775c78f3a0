"""Records that pass validation, for any person, moment and institution; and uploads of them.

Made from the bases of the rules' examples. A record is changed with ``but``; the same visit as a
delete, cancel or undo is made with ``as_format``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from pipeline.generate.ids import institution_code, person_id, treatment_id
from pipeline.generate.moments import moment_of, stamp
from rules.load import load_bases
from rules.model import Base
from schemas import ORDER_FIELDS, VISIT_FIELDS

TAIPEI = ZoneInfo("Asia/Taipei")
CLINIC, OTHER_CLINIC, HOSPITAL, PHARMACY, OTHER_PHARMACY = map(
    institution_code, ("350120000", "359901997", "119901001", "599901996", "599902000")
)
INSTITUTIONS = (CLINIC, OTHER_CLINIC, HOSPITAL, PHARMACY, OTHER_PHARMACY)
PERSON, SOMEBODY_ELSE = person_id("A", "1", 1_234_567), person_id("F", "2", 7_654_321)
SPECIAL = "SM000000000000000000"  # for visits before 2024-09-01
TYPHOON = "C0010000000000000000"  # for visits after the typhoon of 2025-09-22

Texts = Mapping[str, str]
_KEYS = ("H00", "M03", "M04", "M05", "M06", "M07", "M11", "M12", "M13", "M15")
_COUNTS = {"A": "M24", "B": "M25", "D": "M27", "E": "M28"}
_REFILLS = {"C": ("M21", "M26", "M33"), "F": ("M22", "M29", "M34")}


@dataclass(frozen=True)
class Record:
    """One record: its fields and those of its orders, as text."""

    fields: Texts
    orders: tuple[Texts, ...] = ()

    @property
    def id(self) -> str:
        """The treatment id."""
        return self.fields["M15"]

    @property
    def institution(self) -> str:
        """Whose record it is."""
        return self.fields["M05"]

    def but(self, **changes: str | None) -> Record:
        """With other values in some fields; ``None`` leaves the element out."""
        fields = dict(self.fields) | changes
        return replace(self, fields={k: v for k, v in fields.items() if v is not None})

    def as_format(self, letter: str) -> Record:
        """A delete (D), cancel (C) or undo (E) of this visit."""
        kept = {name: self.fields[name] for name in _KEYS if name in self.fields}
        return Record(kept | {"H01": letter})

    def as_abnormal(self, code: str) -> Record:
        """The same in format B, taken without a card for the reason of a code (M13)."""
        bare = tuple({k: v for k, v in order.items() if k != "D11"} for order in self.orders)
        unread: dict[str, str | None] = {"M01": None, "M02": None, "M14": None}
        return replace(self, orders=bare).but(H01="B", M13=code, **unread)

    def broken(self) -> Record:
        """The same with a fault that validation rejects."""
        return self.but(M44=None)


def moment(text: str) -> int:
    """A moment on Taipei's clock, as an ISO text without a zone, in seconds."""
    return moment_of(datetime.fromisoformat(text).replace(tzinfo=TAIPEI))


def visit(institution: str, person: str, at: int, **changes: str | None) -> Record:
    """A visit with a general prescription (A) for one drug, to be dispensed elsewhere."""
    base = _base("prescriber")
    return _placed(base, institution, person, at).but(**changes)


def prescribing(
    institution: str, person: str, at: int, kinds: str = "A", **changes: str | None
) -> Record:
    """A visit with ordinary prescriptions of some kinds (A, B, D, E), or of none."""
    record = visit(institution, person, at)
    order = record.orders[0]
    orders = [dict(order) | {"D03": f"{n:03}", "D04": k} for n, k in enumerate(kinds, start=1)]
    counts = {"M24": None} | {_COUNTS[kind]: "1" for kind in kinds}
    if not kinds:
        orders, counts = [{k: v for k, v in order.items() if k != "D04"}], {"M24": None}
    return replace(record, orders=tuple(orders)).but(**counts).but(**changes)


def refill(
    institution: str, person: str, at: int, chronic: int = 0, controlled: int = 0, legs: str = "",
    **changes: str | None,
) -> Record:  # fmt: skip
    """A visit with a refill prescription for so many refills; ``legs`` are dispensed by itself."""
    kinds = {kind: n for kind, n in (("C", chronic), ("F", controlled)) if n}
    here = {"D02": "1", "D05": "0"} if legs else {"D02": "M", "D05": "1"}
    order = dict(_base("refill").orders[0]) | here
    fields: dict[str, str | None] = {"M21": None, "M26": None, "M33": None}
    fields |= {"M23": "0" if legs else "1"}
    for kind, refills in kinds.items():
        days, count, leg = _REFILLS[kind]
        fields |= {days: str(28 * refills), count: str(refills), leg: legs or None}
    orders = [order | {"D03": f"{n:03}", "D04": k} for n, k in enumerate(kinds, start=1)]
    record = _placed(_base("refill"), institution, person, at)
    return replace(record, orders=_timed(orders, at)).but(**fields).but(**changes)


def dispensing(
    institution: str, of: Record, at: int, kinds: str = "", chronic: str = "",
    controlled: str = "", **changes: str | None,
) -> Record:  # fmt: skip
    """Dispenses a prescription: ordinary kinds, and refills by their digits."""
    base = _base("dispensing_refill")
    refills = {kind: legs for kind, legs in (("C", chronic), ("F", controlled)) if legs}
    fields: dict[str, str | None] = {"M21": None, "M26": None, "M33": None, "M20": "28"}
    fields |= {_COUNTS[kind]: "1" for kind in kinds}
    for kind, legs in refills.items():
        days, count, leg = _REFILLS[kind]
        most = max(int(of.fields.get(count, "2")), 2)
        fields |= {days: str(28 * most), count: str(most), leg: legs}
    orders = [
        dict(base.orders[0]) | {"D03": f"{n:03}", "D04": kind}
        for n, kind in enumerate([*kinds, *refills], start=1)
    ]
    record = _placed(base, institution, of.fields["M03"], at)
    record = record.but(M07="AF" if institution[0] == "5" else "AE", **_original(of))
    return replace(record, orders=_timed(orders, at)).but(**fields).but(**changes)


def follow_up(
    institution: str, of: Record, at: int, visit_type: str = "AA", **changes: str | None
) -> Record:
    """A visit that names an earlier one: a course (AA), or the second of the same day (AI)."""
    record = prescribing(institution, of.fields["M03"], at, "")
    if visit_type == "AI":
        record = replace(record, orders=())
    fields = {"M07": visit_type, "M13": None, "M23": "2", "M20": "0"}
    record = replace(record, orders=tuple(dict(o) | {"D02": "2", "D14": ""} for o in record.orders))
    return record.but(**fields).but(**_original(of)).but(**changes)


def special(record: Record, code: str) -> Record:
    """The same visit under a special code, which identifies nothing."""
    return (record.as_abnormal("C001") if code == TYPHOON else record).but(M15=code)


def upload(records: Iterable[Record]) -> bytes:
    """Records as an upload."""
    parts = ['<?xml version="1.0" encoding="Big5"?>\n<RECS>\n']
    for record in records:
        head = _elements(record.fields, VISIT_FIELDS[:2])
        body = _elements(record.fields, VISIT_FIELDS[2:])
        parts.append(f"<REC><MSH>{head}</MSH>\n<MB><MB1>{body}</MB1>\n")
        parts += [f"<MB2>{_elements(order, ORDER_FIELDS)}</MB2>\n" for order in record.orders]
        parts.append("</MB></REC>\n")
    return "".join([*parts, "</RECS>\n"]).encode("cp950")


def _elements(cells: Texts, names: Sequence[str]) -> str:
    return "".join(f"<{name}>{escape(cells[name])}</{name}>" for name in names if name in cells)


@cache
def _base(name: str) -> Base:
    return load_bases()[name]


def _original(of: Record) -> dict[str, str | None]:
    fields = of.fields
    return {
        "M16": of.id, "M17": of.institution, "M18": fields.get("M13"), "M19": fields["M11"],
    }  # fmt: skip


def _placed(base: Base, institution: str, person: str, at: int) -> Record:
    """A base's record at another place and time, of another person."""
    fields = base.record | {
        "M03": person,
        "M05": institution,
        "M11": stamp(at),
        "M15": treatment_id(institution, person, at),
    }
    return Record(fields, _timed(base.orders, at))


def _timed(orders: Iterable[Texts], at: int) -> tuple[Texts, ...]:
    return tuple(dict(order) | {"D01": stamp(at)} for order in orders)
