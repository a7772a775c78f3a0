"""Files of card registrations for tests: made by hand, and out of the examples of the rules."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from pipeline.outcome import Envelope
from pipeline.register.check import Checked, RowFinding, check_registration
from pipeline.register.limits import REGISTER_LIMITS, RegisterLimits
from rules.registrations import load_registration_plan

TAIPEI = ZoneInfo("Asia/Taipei")
NAME = "11000000120150807.CSV"
RECEIVED = datetime(2015, 9, 10, 10, tzinfo=TAIPEI)
MING, MEI, HUA = "A123456789", "B299999992", "C199999991"  # made up


def check(
    payload: bytes | str,
    name: str = NAME,
    received: datetime = RECEIVED,
    limits: RegisterLimits = REGISTER_LIMITS,
) -> Checked:
    """A file through the engine; text is sent as UTF-8."""
    sent = payload.encode() if isinstance(payload, str) else payload
    return check_registration(sent, Envelope(received, name=name), load_registration_plan(), limits)


def said(checked: Checked) -> list[str]:
    """Refusal or findings, as ``R001`` or ``A2:R031`` (column letter, line); ``-`` for the file."""
    if checked.refusal is not None:
        return [checked.refusal.code]
    return [f"{_place(f)}:{f.code}" for f in checked.findings()]


def _place(finding: RowFinding) -> str:
    return "-" if finding.line is None else f"{finding.column or ''}{finding.line}"


def csv_of(*rows: str) -> str:
    """Lines with CRLF."""
    return "".join(f"{row}\r\n" for row in rows)
