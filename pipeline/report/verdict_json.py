"""The verdict for machines: one JSON object a line, in the shape of ``check --format json``."""

from __future__ import annotations

import orjson

from pipeline.outcome import Refusal
from pipeline.references import hash_of
from pipeline.report.answer import VERDICT_NAMES, Answer, Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import shortened
from pipeline.report.texts import held_text, refusal_text, rule_text
from rules.plan import Plan


def verdict_json(answer: Answer, *, records: bool = False) -> bytes:
    """One line of UTF-8 ending in LF; personal values masked, long ones cut visibly.

    With ``records`` there is a verdict for every record under ``records``. An upload of which
    nothing was taken since it would delete much has ``held``, a finding that tells which version
    stands ``stands``.
    """
    counts = answer.counts
    out: dict[str, object] = {
        "upload": answer.name,
        "sha256": answer.sha256,
        "engine": answer.engine,
        "plan": answer.plan_hash,
        "reference": hash_of(answer.reference),
        "encoding": answer.encoding or None,
        "parser": answer.parser or None,
        "refusal": refusal_json(answer.plan, answer.refusal),
        "counts": {name: getattr(counts, name) for name in counts.__dataclass_fields__},
        "findings": [_finding(answer, finding) for finding in answer.findings],
        "not_checked": [{"rule": rule, "needs": needs} for rule, needs in answer.not_checked],
    }
    if answer.waits:
        out["held"] = {"status": answer.status, **vars(held_text(answer.status))}
    if records:
        out["records"] = [
            {"record": number, "verdict": VERDICT_NAMES[verdict]}
            for number, verdict in enumerate(answer.verdicts, 1)
        ]
    return orjson.dumps(out, option=orjson.OPT_APPEND_NEWLINE)


def refusal_json(plan: Plan, refusal: Refusal | None) -> dict[str, object] | None:
    """A refusal with its place and texts."""
    if refusal is None:
        return None
    return {
        "code": refusal.code,
        "offset": refusal.offset,
        "line": refusal.line,
        "column": refusal.column,
        **vars(refusal_text(plan, refusal)),
    }


def _finding(answer: Answer, finding: Finding) -> dict[str, object]:
    text = rule_text(answer.plan, finding.rule, finding.code)
    value = masked(finding.field, finding.value)
    out: dict[str, object] = {
        "record": finding.record,
        "order": finding.order,
        "field": shortened(without_ids(finding.field)),
        "code": finding.code,
        "severity": finding.severity,
        "rule": finding.rule,
        "offset": finding.offset,
        "length": finding.length,
        "value": None if value is None else shortened(value),
        **vars(text),
    }
    if finding.stands is not None:
        out["stands"] = vars(finding.stands)
    return out
