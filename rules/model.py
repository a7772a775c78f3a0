"""A rule as its author wrote it, read and checked, one object a rule (``each`` written out)."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rules.plan import Severity

Clock = Literal["visit", "receipt"]
Status = Literal["preview", "stable", "deprecated", "removed"]
Certainty = Literal["documented", "derived", "assumed"]
VersionOf = Literal["1.0", "2.0", "any"]
DecidedBy = Literal["record", "parse", "upload", "state", "reference", "outside"]


@dataclass(frozen=True)
class Bilingual:
    """A text for people: 繁體中文 first, English second."""

    zh: str
    en: str


@dataclass(frozen=True)
class Authority:
    """Where a rule comes from. ``quote`` is empty where the section says it all."""

    document: str
    section: str
    quote: str


@dataclass(frozen=True)
class Applies:
    """Which records a rule looks at: values of H01 and of H00 (in 1.0 A01 and A00), ``None`` for
    any."""

    formats: tuple[str, ...] | None
    kinds: tuple[str, ...] | None


@dataclass(frozen=True)
class Edition:
    """One wording of a rule. ``start``/``until`` are ROC yyyMMdd, half open, ``None`` unbounded.

    ``clock`` says which day counts: that of the visit (M11, or the moment of receipt where M11 is
    unusable) or that of receipt. ``broken_when`` is ``None`` for rules no expression decides.
    """

    start: str | None
    until: str | None
    clock: Clock
    broken_when: str | None
    code: str
    severity: Severity
    summary: Bilingual
    remedy: Bilingual

    @property
    def dated(self) -> bool:
        """Whether it is in force for a time only."""
        return self.start is not None or self.until is not None


@dataclass(frozen=True)
class Order:
    """Changes to one order of an example's base; ``number`` counts from 1."""

    number: int
    set: dict[str, str]
    unset: tuple[str, ...]


@dataclass(frozen=True)
class Example:
    """A base record, what to change in it, and the findings of the whole catalogue on it.

    Changes happen in this order: ``drop`` (by number in the base), ``set``/``unset``/``orders``
    (numbers in the base as well), ``add``, ``repeat`` (an order number and how many there shall
    be; D03 is renumbered), ``mint`` (make D01 and the treatment ids agree with their dates).
    ``expect`` is in receipt grammar. ``row`` is the ``each`` row it belongs to. ``tables`` are the
    reference tables that are there, each the rows of its CSV.
    """

    base: str
    expect: str
    row: str | None
    received: str | None
    sender: str | None
    set: dict[str, str]
    unset: tuple[str, ...]
    orders: tuple[Order, ...]
    add: tuple[dict[str, str], ...]
    drop: tuple[int, ...]
    repeat: tuple[int, int] | None
    mint: bool
    line: int
    tables: dict[str, tuple[dict[str, str], ...]] = field(default_factory=dict)
    address: str | None = None
    precheck: bool = False
    vpn: bool = False


@dataclass(frozen=True)
class History:
    """Records sent one after another, each as an upload of its own, into a store of its own.

    Each is an example whose ``expect`` also holds what the state rules find. ``row`` is the
    ``each`` row it belongs to, ``None`` for all.
    """

    records: tuple[Example, ...]
    row: str | None
    line: int


@dataclass(frozen=True)
class Base:
    """A valid record to make examples of. ``received`` is ISO 8601 wall clock in Taipei."""

    name: str
    received: str
    sender: str
    record: dict[str, str]
    orders: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Rule:
    """One rule. ``path`` and ``line`` are for messages; all texts have ``each`` filled in.

    ``version`` is the version of the upload format it is about; of ``any`` are rules that look at
    no field.
    """

    id: str
    status: Status
    since: str
    certainty: Certainty
    decided_by: DecidedBy
    field: str
    applies: Applies
    editions: tuple[Edition, ...]
    authority: tuple[Authority, ...]
    examples: tuple[Example, ...]
    why: Bilingual | None
    needs: str
    reason: Bilingual | None
    stops: bool
    subsumes: tuple[str, ...]
    path: Path
    line: int
    histories: tuple[History, ...] = ()
    version: VersionOf = "2.0"

    @property
    def current(self) -> Edition:
        """The newest wording."""
        return self.editions[-1]

    @property
    def is_compiled(self) -> bool:
        """Whether a plan evaluates it."""
        return self.status != "removed" and any(e.broken_when for e in self.editions)
