"""What the engine answers to uploads, in the shape of the generator's ``expected.jsonl``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from pipeline.core import Processed, process_many
from pipeline.outcome import Envelope
from rules import load_plan


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer with its findings in one order."""
    found = sorted(
        answer["findings"], key=lambda f: (f["record"], f["order"] or 0, f["field"], f["code"])
    )
    return {**answer, "findings": found}


def answers(
    names: Sequence[str], payloads: Sequence[bytes], received_at: datetime
) -> list[dict[str, Any]]:
    """One object an upload: refusal, counts and findings, without texts and values."""
    envelopes = [Envelope(received_at, name=name) for name in names]
    processed = process_many(payloads, envelopes, load_plan())
    return [_answer(processed, upload, name) for upload, name in enumerate(names)]


def _answer(processed: Processed, upload: int, name: str) -> dict[str, Any]:
    refusal = processed.refusals[upload]
    rows = processed.findings_of(upload)
    return {
        "upload": name,
        "refusal": refusal and {"code": refusal.code, "offset": refusal.offset},
        "counts": asdict(processed.counts(upload)),
        "findings": [_finding(processed, upload, row) for row in range(rows.start, rows.stop)],
    }


def _finding(processed: Processed, upload: int, row: int) -> dict[str, Any]:
    found, batch = processed.findings, processed.batch
    rule = processed.plan.rules[int(found.rule[row])]
    order = int(found.order[row])
    return {
        "record": int(batch.record_number[found.record[row]]),
        "order": None if order < 0 else order + 1,
        "field": found.names[found.field[row]],
        "code": rule.code,
        "severity": rule.severity,
        "offset": int(found.offset[row]) - int(batch.start[upload]),
        "length": int(found.length[row]),
    }
