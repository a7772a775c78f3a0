"""Code lists and error codes, read from ``rules/codes/*.csv`` with their ranges written out.

``codes.csv`` is the fact base (lists named after their field are that field's values);
``groups.csv`` names the sets of codes the rules speak of, each with its source.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from schemas import V1, every_field, layouts

# E01, M50, D14, D08 are open by the fact base; D07 holds up to three positions in one value,
# so its list of single positions can't be held against it.
OPEN_LISTS = frozenset(("D14", "D08", "D06_virtual", "M50", "E01", "D07"))
NOT_LISTS = frozenset(("D02_v1_to_v2",))

_SHAPED = re.compile(r"([A-Za-z]*)([0-9]+)([A-Za-z]?)")


@dataclass(frozen=True)
class ErrorCode:
    """One error code of the insurer. ``report_on`` is the field a finding stands on;
    ``decidable_by`` says who can tell: a ``DecidedBy``, for tables ``reference NAME``."""

    code: str
    level: str
    meaning_zh: str
    meaning_en: str
    applies_to: str
    report_on: str
    severity: str
    provenance: str
    decidable_by: str


def closed_list(field_id: str) -> frozenset[str] | None:
    """Every value a field may have, ``None`` where its values are open or it has no list.

    A field of 1.0 has a list of its own (``A72_v1``), else that of its counterpart.
    """
    if field_id in V1.catalogue:
        alike = V1.fields.get(field_id)
        own = _lists().get(f"{field_id}_v1")
        return closed_list(alike.field) if own is None and alike is not None else own
    if field_id in OPEN_LISTS or field_id not in every_field():
        return None
    return _lists().get(field_id)


@cache
def named_lists() -> dict[str, frozenset[str]]:
    """The lists an expression may name. A list named after a field is reached by ``unlisted``."""
    lists = {name: codes for name, codes in _lists().items() if name not in every_field()}
    for row in _rows("groups.csv"):
        lists[row["name"]] = frozenset(_group(row["codes"], lists))
    return lists


@cache
def error_codes() -> dict[str, ErrorCode]:
    """The insurer's error codes."""
    names = ErrorCode.__dataclass_fields__
    return {
        row["code"]: ErrorCode(**{name: row[name] for name in names}) for row in _rows("errors.csv")
    }


@cache
def code_names(name: str) -> dict[str, tuple[str, str]]:
    """What the codes of a list of ``codes.csv`` are called, in 繁體中文 and English."""
    return {
        code: (row["meaning_zh"], row["meaning_en"])
        for row in _rows("codes.csv")
        if row["list_name"] == name
        for code in written_out(row["code"])
    }


def canonical_lists(layout: str) -> dict[str, list[str]]:
    """Every list, sorted: what the hash of a plan covers."""
    closed = {f: codes for f in layouts()[layout] if (codes := closed_list(f)) is not None}
    return {name: sorted(codes) for name, codes in sorted((closed | named_lists()).items())}


def written_out(codes: str) -> Iterator[str]:
    """The single codes of an entry such as ``AA-AE AG``, ``V001-`` or ``IC[0-9][0-9]``.

    A hyphen makes a range only between two codes of one length (``PCRP-COVID19`` is a code).
    Where a range changes its last letter as well (``P7701C-P7715B``), either letter goes with
    every number.
    """
    for part in codes.split():
        first, hyphen, last = part.partition("-")
        if "[0-9]" in part:
            digits = part.count("[0-9]")
            for number in range(10**digits):
                yield part.replace("[0-9]", "") + f"{number:0{digits}}"
        elif "/" in part:
            first, _, tail = part.partition("/")
            yield from (first, first[: -len(tail)] + tail)
        elif hyphen and not last:
            yield from _range(first, re.sub("[0-9]", "9", first))
        elif hyphen and len(first) == len(last):
            yield from _range(first, last)
        else:
            yield part


def _range(first: str, last: str) -> Iterator[str]:
    low, high = _SHAPED.fullmatch(first), _SHAPED.fullmatch(last)
    if low is None or high is None or low[2] == high[2]:
        for letter in range(ord(first[-1]), ord(last[-1]) + 1):
            yield first[:-1] + chr(letter)
        return
    for number in range(int(low[2]), int(high[2]) + 1):
        for letter_behind in sorted({low[3], high[3]}):
            yield f"{low[1]}{number:0{len(low[2])}}{letter_behind}"


def _group(codes: str, lists: dict[str, frozenset[str]]) -> Iterator[str]:
    for part in codes.split():
        if part.startswith("@"):
            yield from lists[part[1:]]
        else:
            yield from written_out(part)


@cache
def _lists() -> dict[str, frozenset[str]]:
    lists: dict[str, set[str]] = {}
    for row in _rows("codes.csv"):
        name, codes = row["list_name"], row["code"]
        if name == "M07_group":
            name, codes = row["code"], row["meaning_zh"]
        elif name == "M56_M07_allowed":
            name, codes = f"{name}:{row['code']}", row["meaning_zh"]
        elif name in NOT_LISTS:
            continue
        lists.setdefault(name, set()).update(written_out(codes))
    return {name: frozenset(codes) for name, codes in lists.items()}


@cache
def _rows(name: str) -> tuple[dict[str, str], ...]:
    text = files("rules").joinpath("codes", name).read_text(encoding="utf-8-sig")
    return tuple(csv.DictReader(text.splitlines()))
