"""The verdict for machines: one JSON object a line, in the shape of ``check --format json``."""

from __future__ import annotations

import orjson

from pipeline.report.answer import VERDICT_NAMES, Answer, Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import shortened
from pipeline.report.texts import refusal_text, rule_text


def verdict_json(answer: Answer, *, records: bool = False) -> bytes:
    """One line of UTF-8 ending in LF; personal values masked, long ones cut visibly.

    With ``records`` there is a verdict for every record under ``records``.
    """
    counts = answer.counts
    out: dict[str, object] = {
        "upload": answer.name,
        "sha256": answer.sha256,
        "engine": answer.engine,
        "plan": answer.plan_hash,
        "reference": answer.references.hash or None,
        "encoding": answer.encoding or None,
        "parser": answer.parser or None,
        "refusal": _refusal(answer),
        "counts": {name: getattr(counts, name) for name in counts.__dataclass_fields__},
        "findings": [_finding(answer, finding) for finding in answer.findings],
        "not_checked": [{"rule": rule, "needs": needs} for rule, needs in answer.not_checked],
    }
    if records:
        out["records"] = [
            {"record": number, "verdict": VERDICT_NAMES[verdict]}
            for number, verdict in enumerate(answer.verdicts, 1)
        ]
    return orjson.dumps(out, option=orjson.OPT_APPEND_NEWLINE)


def _refusal(answer: Answer) -> dict[str, object] | None:
    refusal = answer.refusal
    if refusal is None:
        return None
    text = refusal_text(answer.plan, refusal)
    return {
        "code": refusal.code,
        "offset": refusal.offset,
        "line": refusal.line,
        "column": refusal.column,
        "message_zh": text.message_zh,
        "message_en": text.message_en,
        "remedy_zh": text.remedy_zh,
        "remedy_en": text.remedy_en,
    }


def _finding(answer: Answer, finding: Finding) -> dict[str, object]:
    text = rule_text(answer.plan, finding.rule, finding.code)
    value = masked(finding.field, finding.value)
    return {
        "record": finding.record,
        "order": finding.order,
        "field": shortened(without_ids(finding.field)),
        "code": finding.code,
        "severity": finding.severity,
        "rule": finding.rule,
        "offset": finding.offset,
        "length": finding.length,
        "value": None if value is None else shortened(value),
        "message_zh": text.message_zh,
        "message_en": text.message_en,
        "remedy_zh": text.remedy_zh,
        "remedy_en": text.remedy_en,
    }
