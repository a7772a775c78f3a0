"""The name of a registration file → the fields that stand in it (document 002, 說明二(二)1)."""

from __future__ import annotations

import re
from datetime import date, datetime

_FOLDERS = re.compile(r"[/\\]")
_UNIT_AND_DATE = re.compile(r"(?P<unit>.*)(?P<year>[0-9]{4})(?P<rest>[0-9]{4})", re.DOTALL)
_ROC_BEFORE_FIRST = 1911
_LONGEST = 255
_UNIT = re.compile(r"[0-9]{9}")


def base_name(name: str) -> str:
    """The name without folders, of this system or another; unpaired surrogates become ``?``."""
    last = _FOLDERS.split(name)[-1][:_LONGEST]
    return last.encode("utf-8", "replace").decode("utf-8")


def name_fields(name: str) -> dict[str, str]:
    """U00 to U03 of a name without folders; what the name does not hold is left out.

    The date is rewritten as ROC yyyMMdd, so that the rule language can read it; a year that is none
    stays as it is and is no date.
    """
    stem, dot, extension = name.rpartition(".")
    if not dot:
        stem, extension = name, ""
    found = {"U00": name}
    if extension:
        found["U03"] = extension.upper()
    match = _UNIT_AND_DATE.fullmatch(stem)
    if match is not None and match["unit"]:
        year = int(match["year"]) - _ROC_BEFORE_FIRST
        found["U01"] = match["unit"]
        found["U02"] = f"{year:03}" + match["rest"] if year > 0 else match["year"] + match["rest"]
    return found


def unit_code(name: str) -> str | None:
    """The code of the insured unit in a name, None where it is no code."""
    found = name_fields(name).get("U01", "")
    return found if _UNIT.fullmatch(found) else None


def file_date(name: str) -> date | None:
    """The date in a name, None where it is none."""
    found = name_fields(name).get("U02", "")
    try:
        day = datetime.strptime(f"{int(found[:-4]) + _ROC_BEFORE_FIRST:04}{found[-4:]}", "%Y%m%d")
    except ValueError:
        return None
    return day.date()
