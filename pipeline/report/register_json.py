"""The answer to a registration file for machines: one JSON object a line, values masked."""

from __future__ import annotations

from collections import Counter

import orjson

from pipeline.register.check import RowFinding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import shortened
from pipeline.report.register_words import STATES, FileAnswer, Received, unit_and_date
from pipeline.report.texts import rule_text
from pipeline.report.verdict_json import refusal_json


def register_json(
    checked: FileAnswer, sha256: str | None, engine: str, received: Received | None = None
) -> bytes:
    """One line of UTF-8 ending in LF. ``sha256`` is None for a file too large to be read whole;
    ``received`` is the receipt of one that is stored."""
    counts, findings = checked.counts, list(checked.findings())
    unit, date = unit_and_date(checked)
    out = {
        "upload": without_ids(checked.name),
        "sha256": sha256,
        "engine": engine,
        "plan": checked.plan_hash,
        "encoding": checked.encoding or None,
        "unit": unit,
        "date": date,
        "status": STATES[checked.worst][0],
        "refusal": refusal_json(checked.plan, checked.refusal),
        "counts": {
            "rows": counts.rows,
            "rows_accepted": counts.accepted,
            "rows_warned": counts.warned,
            "rows_rejected": counts.rejected,
        },
        "reasons": dict(Counter(finding.code for finding in findings).most_common()),
        "findings": [_finding(checked, finding) for finding in findings],
    }
    if received is not None:
        out |= {"upload_id": received.upload_id, "redelivery_of": received.redelivery_of}
    return orjson.dumps(out, option=orjson.OPT_APPEND_NEWLINE)


def _finding(checked: FileAnswer, finding: RowFinding) -> dict[str, object]:
    text = rule_text(checked.plan, finding.rule, finding.code)
    value = masked(finding.field, finding.value)
    return {
        "row": finding.row,
        "line": finding.line,
        "column": finding.column,
        "field": finding.field,
        "code": finding.code,
        "severity": finding.severity,
        "rule": finding.rule,
        "offset": finding.offset,
        "length": finding.length,
        "value": None if value is None else shortened(value),
        **vars(text),
    }
