"""How many of the insurer's codes are checked, by who could decide them (errors.csv)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.report.catalogue.entries import Entry

_ORDER = ("record", "parse", "upload", "state", "reference", "outside")


@dataclass(frozen=True)
class Coverage:
    """Codes of one way of deciding; ``merged`` are those whose stand-in is checked."""

    decided_by: str
    checked: int
    merged: int
    planned: tuple[str, ...]
    outside: tuple[str, ...]

    @property
    def codes(self) -> int:
        """All of them."""
        return self.checked + self.merged + len(self.planned) + len(self.outside)

    @property
    def percent(self) -> float:
        """The share that is checked, under its own code or another, in percent."""
        return 100 * (self.checked + self.merged) / self.codes if self.codes else 0.0


def coverage(entries: Iterable[Entry]) -> tuple[Coverage, ...]:
    """One row a way of deciding, in a fixed order; ways without codes are left out."""
    known = {entry.code: entry for entry in entries}
    found: dict[str, list[Entry]] = {}
    for entry in known.values():
        if entry.insurer is not None:
            found.setdefault(entry.insurer.decidable_by.partition(" ")[0], []).append(entry)
    rows = [_row(way, found[way], known) for way in (*_ORDER, *sorted({*found} - {*_ORDER}))
            if way in found]  # fmt: skip
    return tuple(rows)


def decidable(rows: Iterable[Coverage]) -> Coverage:
    """All ways but ``outside`` in one row."""
    able = [row for row in rows if row.decided_by != "outside"]
    return Coverage(
        "",
        sum(row.checked for row in able),
        sum(row.merged for row in able),
        tuple(code for row in able for code in row.planned),
        tuple(code for row in able for code in row.outside),
    )


def _row(way: str, members: list[Entry], known: dict[str, Entry]) -> Coverage:
    states = {entry.code: _final_state(entry, known) for entry in members}
    return Coverage(
        way,
        sum(state == "checked" for state in states.values()),
        sum(state == "merged" for state in states.values()),
        tuple(code for code, state in states.items() if state == "planned"),
        tuple(code for code, state in states.items() if state == "outside"),
    )


def _final_state(entry: Entry, known: dict[str, Entry]) -> str:
    """The entry's state; one merged into a code that isn't checked shares that code's state."""
    if entry.state != "merged":
        return entry.state
    target = known.get(entry.merged_into)
    return "outside" if target is None else "merged" if target.state == "checked" else target.state
