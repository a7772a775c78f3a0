"""The histories of the rule catalogue as uploads, and answers in receipt grammar."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.outcome import Envelope
from rules import load_rules
from rules.load import load_bases
from rules.model import History, Rule
from rules.read_histories import sent
from tests.oracle.examples import example_row
from tests.oracle.findings import PLACES
from tests.proof.documents import document
from tests.proof.engine import envelope_of

Told = tuple[str, int | None, str, str]
"""Of a finding: field, order from 1 or ``None``, code, rule."""


@dataclass(frozen=True)
class Upload:
    """One record of a history as it is sent, and what the receipt must say of it."""

    payload: bytes
    envelope: Envelope
    expect: str


def histories() -> list[tuple[Rule, History]]:
    """Every history, with each rule that it belongs to."""
    return [(rule, history) for rule in load_rules() for history in rule.histories]


def named(given: tuple[Rule, History]) -> str:
    """A history by its rule and line."""
    rule, history = given
    return f"{rule.id}:{history.line}"


def uploads_of(history: History) -> list[Upload]:
    """The records of a history, each as an upload."""
    found = []
    for record in sent(history, load_bases()):
        row = example_row(record, load_bases())
        payload = document(row.record, row.orders)
        found.append(Upload(payload, envelope_of(row), record.expect))
    return found


def receipt_of(findings: Iterable[Told]) -> str:
    """All findings of an upload of one record, in receipt grammar."""
    ordered = sorted(findings, key=lambda told: (told[1] or 0, PLACES[told[0]], told[2]))
    return "".join(
        f"{field}{'' if order is None else f'[{order}]'}:{code};"
        for field, order, code, _ in ordered
    )


def breaks(rule: Rule, history: History) -> bool:
    """Whether a history says that its rule is broken."""
    finding = f"{rule.field}:{rule.current.code}"
    return any(finding in record.expect.split(";") for record in history.records)
