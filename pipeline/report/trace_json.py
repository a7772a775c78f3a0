"""A trace for machines: one JSON object."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import orjson

from pipeline.lineage.visit import Order, Row, Span, Trace, Version
from pipeline.report.answer import Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import shortened
from pipeline.report.record_xml import record_xml
from pipeline.report.texts import rule_text
from rules.plan import Plan

_OF_UPLOAD = (
    "upload_id", "institution", "channel", "mode", "sequence", "status", "refusal_code", "sha256",
)  # fmt: skip


class TraceJson:
    """Writes traces with the texts of a plan; ids and signatures only where ``clear``."""

    def __init__(self, plan: Plan, *, clear: bool, xml: bool) -> None:
        self._plan = plan
        self._clear = clear
        self._xml = xml

    def write(self, trace: Trace) -> bytes:
        """One line of UTF-8 ending in LF."""
        standing, searched = trace.standing, trace.searched
        out = {
            "treatment_id": self._shown("M15", trace.visit.treatment_id),
            "mode": trace.mode,
            "asked": trace.asked and {"upload_id": trace.asked[0], "record": trace.asked[1]},
            "stands": standing and _named(standing),
            "versions": [self._version(trace, version) for version in trace.versions],
            "orders": [self._order(order) for order in trace.orders],
            "prescriptions": [self._refill(trace, row) for row in trace.prescriptions],
            "searched": searched
            and {
                "institutions": searched.institutions,
                "guessed": searched.guessed,
                "looked_in": searched.looked_in,
                "uploads": searched.uploads,
                "complete": searched.complete,
            },
        }
        return orjson.dumps(out, option=orjson.OPT_APPEND_NEWLINE)

    def _version(self, trace: Trace, version: Version) -> dict[str, Any]:
        ended = None if version.ended_by is None else trace.versions[version.ended_by]
        out = {
            "outcome": version.outcome,
            "verdict": version.verdict,
            "stands": version.stands,
            "ended_by": ended and _named(ended) | {"outcome": ended.outcome},
            "record": version.record or None,
            **_place(version.place),
            "upload": self._upload(version.upload),
            "findings": [self._finding(finding) for finding in version.findings],
        }
        if self._xml:
            out["xml"] = record_xml(version.xml, clear=self._clear)
        return out

    def _upload(self, row: Row) -> dict[str, Any]:
        name = row["name"] or ""
        return {
            **{column: row[column] for column in _OF_UPLOAD},
            "name": name if self._clear else without_ids(name),
            "received_at": row["received_at"].astimezone(UTC).isoformat(),
        }

    def _finding(self, finding: Finding) -> dict[str, Any]:
        value = self._shown(finding.field, finding.value)
        return {
            "order": finding.order,
            "field": shortened(without_ids(finding.field)),
            "code": finding.code,
            "severity": finding.severity,
            "rule": finding.rule,
            "byte_offset": finding.offset,
            "byte_length": finding.length,
            "value": None if value is None else shortened(value),
            **vars(rule_text(self._plan, finding.rule, finding.code)),
            "stands": finding.stands and vars(finding.stands),
        }

    def _order(self, order: Order) -> dict[str, Any]:
        fields = {k: v for k, v in order.row.items() if k[0] in "DVE" and v is not None}
        shown = {name: self._shown(name, value) for name, value in fields.items()}
        return {"order_no": order.row["order_no"], **_place(order.place), **shown}

    def _refill(self, trace: Trace, row: Row) -> dict[str, Any]:
        columns = ("kind", "refill", "status", "institution", "by_institution", "sequence")
        made_by = trace.made_by.get(row["sequence"])
        return {
            "prescription_id": self._shown("M16", row["prescription_id"]),
            **{column: row[column] for column in columns},
            "by_treatment_id": self._shown("M15", row["by_treatment_id"]),
            "upload_id": made_by and made_by["upload_id"],
        }

    def _shown(self, field: str, value: str | None) -> str | None:
        return value if self._clear else masked(field, value)


def _named(version: Version) -> dict[str, Any]:
    return {"upload_id": version.upload["upload_id"], "record": version.record or None}


def _place(place: Span) -> dict[str, int]:
    return {"byte_offset": place.offset, "byte_length": place.length}
