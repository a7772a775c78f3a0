"""The field catalogue: every element of an upload, read from ``fields.csv``.

The single truth on fields. Arrow schemas, the XSD, the 1.0 map, the parser's element table and
the per-field rules are all derived from here. Other kinds of upload have a small table of their
own; ids are unique over all of them, so that one rule language speaks of every kind.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Level = Literal["MSH", "MB1", "MB2", "FILE", "ROW"]
Kind = Literal[
    "code", "number", "decimal", "date", "datetime", "treatment_id", "institution", "person",
    "email", "phone", "text",
]  # fmt: skip
FORMATS = ("A", "B", "C", "D", "E")
FORMATS_V1 = ("1", "2", "3", "4")
_PERSONAL = frozenset(("person", "treatment_id", "email", "phone"))
_OF_ORDERS = ("MB2", "ROW")
_NOTHING: Mapping[str, Field] = {}
_PERSONAL_IDS = frozenset(("M02", "M04", "M08", "A11", "A13", "A20", "R04", "R05"))


@dataclass(frozen=True)
class Field:
    """One field of the upload format.

    ``marks`` holds the requirement mark of each format, A-E or in 1.0 1-4 (``V`` required, ``~``
    leave empty, ``*`` optional, ``V*``/``S*``/``@`` conditional, ``?`` unknown). ``max_length`` is
    in characters, ``None`` where no public source gives it. ``index`` is the column in its table:
    visit fields (MSH then MB1) and order fields (MB2) count from 0 separately.
    """

    id: str
    level: Level
    name_zh: str
    name_en: str
    kind: Kind
    max_length: int | None
    shape: str
    marks: dict[str, str]
    v1: str
    note: str
    provenance: str
    index: int

    @property
    def is_order(self) -> bool:
        """Whether it belongs to an order (of a registration file: to a row)."""
        return self.level in _OF_ORDERS

    @property
    def personal(self) -> bool:
        """Whether the value identifies a person, so is masked in whatever is shown or logged."""
        return self.kind in _PERSONAL or self.id in _PERSONAL_IDS


@cache
def fields() -> dict[str, Field]:
    """Every field of an upload of visits by id, in document order."""
    return _read("fields.csv")


@cache
def fields_v1() -> dict[str, Field]:
    """Every field of an upload in format 1.0 by id; what its table leaves blank is as in 2.0."""
    return _read("fields_v1.csv", {f.v1[:3]: f for f in fields().values()}, FORMATS_V1)


@cache
def registration_fields() -> dict[str, Field]:
    """Every field of a card-registration file by id: those of the file, then those of a row."""
    return _read("registration.csv")


VISITS, VISITS_V1, REGISTRATIONS = "visits", "visits_v1", "registrations"


@cache
def layouts() -> dict[str, dict[str, Field]]:
    """The fields of each kind of upload by id: those of a record, then those of its orders."""
    return {VISITS: fields(), VISITS_V1: fields_v1(), REGISTRATIONS: registration_fields()}


@cache
def every_field() -> dict[str, Field]:
    """The fields of every kind of upload by id."""
    return {name: field for layout in layouts().values() for name, field in layout.items()}


def layout_of(field: str) -> str:
    """The kind of upload a field belongs to; what is no field is an element of ``VISITS``."""
    return next((name for name, own in layouts().items() if field in own), VISITS)


def _read(
    table: str, alike: Mapping[str, Field] = _NOTHING, formats: tuple[str, ...] = FORMATS
) -> dict[str, Field]:
    """The fields of a table; name, kind, length and shape that it leaves blank are as in
    ``alike``."""
    text = files("schemas").joinpath(table).read_text(encoding="utf-8")
    out: dict[str, Field] = {}
    seen = {False: 0, True: 0}
    for row in csv.DictReader(text.splitlines()):
        like = alike.get(row["id"])
        is_order = row["level"] in _OF_ORDERS
        length = row["max_length"] or (like and like.max_length)
        out[row["id"]] = Field(
            id=row["id"],
            level=row["level"],  # type: ignore[arg-type]
            name_zh=row["name_zh"] or (like.name_zh if like else ""),
            name_en=row["name_en"] or (like.name_en if like else ""),
            kind=row["kind"] or (like.kind if like else "text"),  # type: ignore[arg-type]
            max_length=int(length) if length else None,
            shape=row["shape"] or (like.shape if like else ""),
            marks={f: row.get(f"req_{f}", "") for f in formats},
            v1=row.get("v1", ""),
            note=row["note"],
            provenance=row["provenance"],
            index=seen[is_order],
        )
        seen[is_order] += 1
    return out


VISIT_FIELDS: tuple[str, ...] = tuple(f.id for f in fields().values() if not f.is_order)
ORDER_FIELDS: tuple[str, ...] = tuple(f.id for f in fields().values() if f.is_order)
