"""The versions of the upload format and how their fields correspond.

2.0 is the format of ``fields.csv``. Of 1.0 only the counterparts of 2.0 fields are public (column
``v1`` there), so its map is partial: ``A02`` (the version number) and others have no place in 2.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Literal

from schemas.fields import fields

Certainty = Literal["documented", "public", "inferred"]

PRECHECK_KEY = ("M03", "M04", "M11", "M07")
"""The fields that match a 1.0 record with its 2.0 pre-check (document 001, 比對欄位)."""

_V1_ENTRY = re.compile(r"(A\d\d)(?: ?\((inferred|redefined)\))?")


@dataclass(frozen=True)
class Counterpart:
    """A field of one version and the 2.0 field that stands for it.

    ``redefined`` says that the place is the same but its code list is another, so values can't be
    carried over as they are.
    """

    id: str
    field: str
    certainty: Certainty
    redefined: bool = False


@dataclass(frozen=True)
class Version:
    """One version of the format: its fields by their own ids, and its XSD where there is one."""

    number: str
    fields: Mapping[str, Counterpart]
    xsd: str | None

    def id_of(self, field: str) -> str | None:
        """This version's id of a 2.0 field, ``None`` where it has none."""
        return next((c.id for c in self.fields.values() if c.field == field), None)


def _v1_counterparts() -> dict[str, Counterpart]:
    """1.0 id -> counterpart, for every entry of column ``v1`` that names one."""
    out: dict[str, Counterpart] = {}
    for field in fields().values():
        entry = _V1_ENTRY.fullmatch(field.v1)
        if entry is None:
            continue
        certainty: Certainty = "inferred" if entry[2] == "inferred" else "public"
        if field.id in PRECHECK_KEY:
            certainty = "documented"
        out[entry[1]] = Counterpart(entry[1], field.id, certainty, entry[2] == "redefined")
    return out


@cache
def versions() -> Mapping[str, Version]:
    """Every known version by number, the older first."""
    own = {name: Counterpart(name, name, "documented") for name in fields()}
    return MappingProxyType(
        {
            "1.0": Version("1.0", MappingProxyType(_v1_counterparts()), None),
            "2.0": Version("2.0", MappingProxyType(own), "upload-2.0.xsd"),
        }
    )
