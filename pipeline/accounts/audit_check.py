"""Whether rows of the audit log are the chain they claim to be."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pipeline.accounts.audit_row import NO_HASH, AuditRow

Why = Literal["gap", "previous", "hash", "head", "cut"]

WORDS: Final[dict[Why, tuple[str, str]]] = {
    "gap": ("缺少這一列或順序不對", "the row before is missing, or rows changed places"),
    "previous": ("與前一列接不上", "it does not follow from the row before"),
    "hash": ("內容被更改", "its content was changed"),
    "head": ("與先前留存的雜湊不符，紀錄被改寫", "it is not what was kept: the log was rewritten"),
    "cut": ("紀錄比先前留存的短，尾端被截去", "the log ends before what was kept: its tail is cut"),
}
_HEAD: Final = re.compile(r"([0-9a-f]{64}):(0|[1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Head:
    """The end of the chain at some moment: ``number`` rows, the last of which has ``hash``."""

    number: int
    hash: str

    def __str__(self) -> str:
        return f"{self.hash}:{self.number}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """A head as it is printed, ``HASH:NUMBER``. Raises ``ValueError``."""
        found = _HEAD.fullmatch(text.strip().lower())
        if found is None:
            raise ValueError("a head is HASH:NUMBER, as audit head prints it")
        return cls(int(found[2]), found[1])


@dataclass(frozen=True)
class Wrong:
    """The first row that is wrong (``number`` as it should be), and why."""

    number: int
    why: Why


@dataclass(frozen=True)
class Verified:
    """How far the chain is whole: up to ``head``, and what stands wrong behind it, if anything."""

    head: Head
    wrong: Wrong | None

    @property
    def ok(self) -> bool:
        """Whether the whole chain is as it was written."""
        return self.wrong is None


def walk(rows: Iterable[AuditRow], kept: Sequence[Head] = ()) -> Verified:
    """Follow the chain from its first row; stops at the first one that is wrong."""
    expected: dict[int, set[str]] = {}
    for head in kept:
        expected.setdefault(head.number, set()).add(head.hash)
    at = Head(0, NO_HASH)
    if expected.get(0, {NO_HASH}) != {NO_HASH}:
        return Verified(at, Wrong(0, "head"))
    for row in rows:
        why = _why(row, at)
        if why is None and expected.get(row.number, {row.hash}) != {row.hash}:
            why = "head"
        if why is not None:
            return Verified(at, Wrong(at.number + 1, why))
        at = Head(row.number, row.hash)
    if expected and max(expected) > at.number:
        return Verified(at, Wrong(at.number + 1, "cut"))
    return Verified(at, None)


def _why(row: AuditRow, before: Head) -> Why | None:
    if row.number != before.number + 1:
        return "gap"
    if row.previous != before.hash:
        return "previous"
    if row.rehashed() != row.hash:
        return "hash"
    return None
