"""The versions of the upload format: their fields, and how these correspond.

2.0 is the format of ``fields.csv``. Of 1.0 the counterparts of 2.0 fields are public (column ``v1``
there); ``fields_v1.csv`` has all ids in use, with what is known of those that have none (``A02``,
the version number). The tree is the same for both: RECS > REC+ > MSH + (MB > MB1 + MB2*).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from types import MappingProxyType
from typing import Literal

from schemas.fields import FORMATS, FORMATS_V1, VISITS, VISITS_V1, Field, fields, layouts

Certainty = Literal["documented", "public", "inferred"]
Number = Literal["1.0", "2.0"]

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


@dataclass(frozen=True, eq=False)
class Version:
    """One version of the format: what of it differs from the others.

    ``fields`` are the counterparts by this version's own ids; ``layout`` names all its fields in
    ``schemas.fields.layouts``; ``formats`` are the letters of its data format (H01, A01), ``xsd``
    its XSD where there is one.
    """

    number: Number
    layout: str
    fields: Mapping[str, Counterpart]
    formats: tuple[str, ...]
    xsd: str | None

    @property
    def catalogue(self) -> Mapping[str, Field]:
        """All its fields by id, those of a visit before those of an order."""
        return layouts()[self.layout]

    def id_of(self, field: str) -> str | None:
        """This version's id of a 2.0 field, ``None`` where it has none."""
        return self._ids.get(field)

    def own(self, field: str) -> Field:
        """This version's field that stands for a 2.0 field. ``KeyError`` where it has none."""
        return self.catalogue[self._ids[field]]

    @cached_property
    def _ids(self) -> dict[str, str]:
        return {counterpart.field: own for own, counterpart in self.fields.items()}

    @cached_property
    def header_fields(self) -> tuple[str, ...]:
        """The fields of MSH: the first of the visit fields."""
        return tuple(f.id for f in self.catalogue.values() if f.level == "MSH")

    @cached_property
    def visit_fields(self) -> tuple[str, ...]:
        """The fields of MSH and MB1, by column."""
        return tuple(f.id for f in self.catalogue.values() if not f.is_order)

    @cached_property
    def order_fields(self) -> tuple[str, ...]:
        """The fields of MB2, by column."""
        return tuple(f.id for f in self.catalogue.values() if f.is_order)


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
    v1 = MappingProxyType(_v1_counterparts())
    own = {name: Counterpart(name, name, "documented") for name in fields()}
    v2 = MappingProxyType(own)
    return MappingProxyType(
        {
            "1.0": Version("1.0", VISITS_V1, v1, FORMATS_V1, None),
            "2.0": Version("2.0", VISITS, v2, FORMATS, "upload-2.0.xsd"),
        }
    )


def version_in(layout: str) -> Version:
    """The version whose uploads have a layout. ``KeyError`` for uploads of another kind."""
    return {version.layout: version for version in versions().values()}[layout]


V1, V2 = versions()["1.0"], versions()["2.0"]
