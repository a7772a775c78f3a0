"""The field catalogue: every element of an upload, read from ``fields.csv``.

The single truth on fields. Arrow schemas, the XSD, the 1.0 map, the parser's element table and
the per-field rules are all derived from here.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

Level = Literal["MSH", "MB1", "MB2"]
Kind = Literal[
    "code", "number", "decimal", "date", "datetime", "treatment_id", "institution", "person", "text"
]
FORMATS = ("A", "B", "C", "D", "E")


@dataclass(frozen=True)
class Field:
    """One field of the upload format.

    ``marks`` holds the requirement mark of each format A-E (``V`` required, ``~`` leave empty,
    ``*`` optional, ``V*``/``S*``/``@`` conditional, ``?`` unknown). ``max_length`` is in
    characters, ``None`` where no public source gives it. ``index`` is the column in its table:
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
        return self.level == "MB2"

    @property
    def personal(self) -> bool:
        """Whether the value identifies a person, so is masked in whatever is shown or logged."""
        return self.kind in ("person", "treatment_id") or self.id in ("M02", "M04", "M08")


@cache
def fields() -> dict[str, Field]:
    """Every field by id, in document order."""
    text = files("schemas").joinpath("fields.csv").read_text(encoding="utf-8")
    out: dict[str, Field] = {}
    seen = {False: 0, True: 0}
    for row in csv.DictReader(text.splitlines()):
        is_order = row["level"] == "MB2"
        out[row["id"]] = Field(
            id=row["id"],
            level=row["level"],  # type: ignore[arg-type]
            name_zh=row["name_zh"],
            name_en=row["name_en"],
            kind=row["kind"],  # type: ignore[arg-type]
            max_length=int(row["max_length"]) if row["max_length"] else None,
            shape=row["shape"],
            marks={f: row[f"req_{f}"] for f in FORMATS},
            v1=row["v1"],
            note=row["note"],
            provenance=row["provenance"],
            index=seen[is_order],
        )
        seen[is_order] += 1
    return out


VISIT_FIELDS: tuple[str, ...] = tuple(f.id for f in fields().values() if not f.is_order)
ORDER_FIELDS: tuple[str, ...] = tuple(f.id for f in fields().values() if f.is_order)
