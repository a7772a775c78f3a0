"""The findings of an upload as pages show them: added up by rule, and record by record. Pure.

Values that identify a person are masked here, so a template can't forget it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from pipeline.report.answer import Answer, Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import printable
from pipeline.report.texts import Text, field_name, finding_text, rule_text
from rules.plan import Plan
from schemas import version_in

RECORDS_A_PAGE: Final = 25
_VALUE_CHARACTERS: Final = 60
_SEVERITIES: Final = ("refuse", "reject", "warn")


@dataclass(frozen=True)
class Fault:
    """What one rule found in an upload: how often, and in how many records."""

    code: str
    field: str
    name: tuple[str, str]
    severity: str
    text: Text
    findings: int
    records: int


@dataclass(frozen=True)
class ShownFinding:
    """One finding. ``value`` is masked, ``None`` where there is nothing to show."""

    code: str
    field: str
    name: tuple[str, str]
    order: int | None
    severity: str
    text: Text
    value: str | None


@dataclass(frozen=True)
class ShownRecord:
    """A record with findings; its ``moment`` (as sent) and ``person`` (masked) help to find it."""

    number: int
    moment: str
    person: str
    findings: tuple[ShownFinding, ...]


@dataclass(frozen=True)
class Choice:
    """Which records to show: those with a finding of a code, a field, a severity (empty: any)."""

    code: str = ""
    field: str = ""
    severity: str = ""

    def takes(self, one: Finding) -> bool:
        """Whether a finding is of the chosen kind."""
        return (
            self.code in ("", one.code)
            and self.severity in ("", one.severity)
            and self.field in ("", _shown_field(one.field))
        )

    @property
    def query(self) -> dict[str, str]:
        """As an address has it."""
        return {name: value for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class Chosen:
    """One page of the chosen records, all their findings with them.

    ``records`` of ``count``; ``page`` counts from 1 to ``pages``. Of all records of the upload
    ``with_findings`` have some and ``rejected`` were rejected.
    """

    records: tuple[ShownRecord, ...]
    count: int
    page: int
    pages: int
    with_findings: int
    rejected: int


EVERY_RECORD: Final = Choice()


def faults(answer: Answer) -> list[Fault]:
    """What is wrong, the gravest and commonest first."""
    of_rule: dict[tuple[str, str, str, str], list[Finding]] = {}
    for one in answer.findings:
        of_rule.setdefault((one.severity, one.code, one.field, one.rule), []).append(one)
    found = [
        Fault(
            code,
            _shown_field(field),
            field_name(field),
            severity,
            rule_text(answer.plan, rule, code),
            len(some),
            len({one.record for one in some}),
        )
        for (severity, code, field, rule), some in of_rule.items()
    ]
    return sorted(found, key=lambda f: (_SEVERITIES.index(f.severity), -f.findings, f.code))


def chosen(answer: Answer, choice: Choice = EVERY_RECORD, page: int = 1) -> Chosen:
    """A page of the records that are asked for."""
    numbers = list(dict.fromkeys(one.record for one in answer.findings if choice.takes(one)))
    pages = max(1, -(-len(numbers) // RECORDS_A_PAGE))
    page = min(max(page, 1), pages)
    wanted = set(numbers[(page - 1) * RECORDS_A_PAGE : page * RECORDS_A_PAGE])
    rows = (one for one in answer.findings if one.record in wanted)
    records = tuple(
        shown_record(answer, number, found)
        for number, found in groupby(rows, key=lambda one: one.record)
    )
    rejected = {one.record for one in answer.findings if one.severity == "reject"}
    all_of_them = {one.record for one in answer.findings}
    return Chosen(records, len(numbers), page, pages, len(all_of_them), len(rejected))


def shown_record(answer: Answer, number: int, findings: Iterable[Finding]) -> ShownRecord:
    """A record with its findings."""
    shown = tuple(shown_finding(answer.plan, one) for one in findings)
    moment, person = (_value(answer, number, name) for name in ("M11", "M03"))
    return ShownRecord(number, moment, person, shown)


def shown_finding(plan: Plan, one: Finding) -> ShownFinding:
    """A finding in words, its value masked."""
    value = masked(one.field, one.value)
    return ShownFinding(
        one.code,
        _shown_field(one.field),
        field_name(one.field),
        one.order,
        one.severity,
        finding_text(plan, one),
        None if value is None else printable(value, _VALUE_CHARACTERS),
    )


def standing(answer: Answer) -> Sequence[Finding]:
    """The findings that tell of an earlier version that stands."""
    return [one for one in answer.findings if one.stands is not None]


def _value(answer: Answer, number: int, field: str) -> str:
    """A field of a record, by its name in 2.0; empty where it isn't there."""
    own = version_in(answer.plan.layout).id_of(field)
    if answer.source is None or own is None:
        return ""
    shown = masked(own, answer.source.value(number, None, own))
    return printable(shown or "", _VALUE_CHARACTERS)


def _shown_field(field: str) -> str:
    """An element's name may be anything a sender typed."""
    return printable(without_ids(field), _VALUE_CHARACTERS)
