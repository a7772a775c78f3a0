"""The engine asked and answering in the words of the rule catalogue."""

from __future__ import annotations

from dataclasses import replace

from pipeline.core import Processed
from pipeline.limits import LIMITS
from pipeline.outcome import Envelope
from pipeline.taipei import TAIPEI
from tests.oracle.record import Row

NO_FLOOD = replace(LIMITS, findings=10**9, bytes_per_finding=1)
"""For plans of thousands of rules that are nearly the same."""


def envelope_of(row: Row) -> Envelope:
    """What an example says of its upload."""
    received = row.received if row.received.tzinfo else row.received.replace(tzinfo=TAIPEI)
    return Envelope(
        received, row.sender, "vpn" if row.vpn else "web-api",
        "official" if row.official else "precheck", address=row.address,
    )  # fmt: skip


def answer(processed: Processed, upload: int) -> str:
    """Findings of an upload of one record in receipt grammar; of a refused one, those of the rules
    that refuse it (they stand on ``RECS``)."""
    refusal = processed.refusals[upload]
    if refusal is not None:
        return f"RECS:{refusal.code};"
    found, rules, text = processed.findings, processed.plan.rules, ""
    for row in range(*processed.findings_of(upload).indices(len(found))):
        order = int(found.order[row])
        place = found.names[found.field[row]] + ("" if order < 0 else f"[{order + 1}]")
        text += f"{place}:{rules[found.rule[row]].code};"
    return text
