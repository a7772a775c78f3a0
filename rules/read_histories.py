"""From the ``histories`` of a rule document to records in order, for rules on stored uploads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from rules.document import Section
from rules.functions import roc_moment
from rules.model import Base, Example, History
from rules.read_examples import example

PROMPT: Final = timedelta(minutes=30)
"""How long after its visit a record of a history is received where nothing else is said."""


def histories(section: Section, row: str | None, decided_by: str) -> tuple[History, ...]:
    """The histories of one rule; those with ``for`` belong to that row of ``each`` only."""
    found = []
    for part in section.sections("histories"):
        if decided_by != "state":
            raise part.fail(f"histories are for decided_by: state; this is by {decided_by}")
        history = _history(part)
        if row is None and history.row is not None:
            raise part.fail("for names a row of each, but the rule has no each")
        if history.row in (None, row):
            found.append(history)
    return tuple(found)


def _history(part: Section) -> History:
    records = []
    for record in part.sections("records"):
        records.append(example(record))
        record.close()
        if records[-1].row is not None:
            raise record.fail("for belongs to the history, not to one of its records")
        if records[-1].tables or records[-1].address:
            raise record.fail("a history knows no reference tables and no address; leave them out")
    if not records:
        raise part.fail("records is missing; give the records in the order they are sent")
    found = History(tuple(records), part.optional("for"), part.line)
    part.close()
    return found


def sent(history: History, bases: Mapping[str, Base]) -> tuple[Example, ...]:
    """The records of a history, each with its moment of receipt."""
    return tuple(_received(record, bases[record.base]) for record in history.records)


def _received(record: Example, base: Base) -> Example:
    if record.received is not None:
        return record
    visit = roc_moment((base.record | record.set).get("M11", ""))
    moment = datetime.fromisoformat(base.received) if visit is None else visit + PROMPT
    return replace(record, received=moment.isoformat())
