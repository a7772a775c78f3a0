"""A stored upload's rows and bytes → its answer again. Pure: the caller does the reading.

Findings and counts are those of then, from the tables, merge findings included; the values that
receipts echo come from parsing the archived bytes again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields as dataclass_fields
from functools import cache
from typing import Any

import orjson

from pipeline.limits import UNLIMITED, Limits
from pipeline.merge.state_findings import decided_rules
from pipeline.outcome import Counts, Envelope, Refusal, Standing, Verdict
from pipeline.parse.parse import Parsed, parse_many
from pipeline.parse.places import ELEMENTS
from pipeline.report.answer import Answer, Finding, Source
from rules import load_plan
from rules.plan import Plan
from schemas import V2, Version, versions

Row = Mapping[str, Any]


def stored_answer(
    upload: Row, findings: Iterable[Row], payload: bytes | None, plan: Plan, limits: Limits
) -> Answer:
    """The answer to an upload from its row of ``uploads``, its rows of ``findings`` and its bytes.

    ``payload`` is None where nothing could be unpacked. ``plan`` is that of format 2.0 and gives
    the texts; to what came in 1.0 those of the catalogue's plan of 1.0.
    """
    refused, version = upload["refusal_code"], _version(upload)
    parsed = _parsed(upload, payload, limits if refused else UNLIMITED)
    source = _source(parsed)
    counts = Counts(**{f.name: upload[f.name] for f in dataclass_fields(Counts)})
    place = _places(version)
    found = sorted(
        (stored_finding(row, source) for row in findings), key=lambda f: _order(f, place)
    )
    return Answer(
        name=upload["name"] or "",
        sha256=upload["sha256"],
        engine=upload["engine"],
        plan=plan if version is V2 else load_plan(version=version.number),
        plan_hash=upload["plan"],
        encoding=upload["encoding"] or "",
        parser=upload["parser"] or "",
        envelope=Envelope(
            upload["received_at"],
            upload["institution"],
            upload["channel"],
            upload["mode"],
            upload["name"] or "",
        ),
        size=len(payload or b""),
        refusal=_refusal(refused, parsed) if refused else None,
        counts=counts,
        findings=found,
        verdicts=_verdicts(counts.records, found),
        source=source,
        reference=orjson.loads(upload["reference"] or "{}"),
        decided=frozenset() if refused else decided_rules(upload["mode"]),
        status=upload["status"],
    )


def stored_source(upload: Row, payload: bytes) -> Source | None:
    """Where the values of a stored upload are; ``None`` if it can't be cut into records."""
    return _source(_parsed(upload, payload, UNLIMITED))


def _source(parsed: Parsed | None) -> Source | None:
    return Source(parsed.batch, 0) if parsed and parsed.refusals[0] is None else None


def _parsed(upload: Row, payload: bytes | None, limits: Limits) -> Parsed | None:
    if payload is None:
        return None
    utf8, version = upload["encoding"] == "utf-8", _version(upload)
    return parse_many([payload], utf8=utf8, limits=limits, version=version)


def _version(upload: Row) -> Version:
    """The version of the format that an upload was read in; 2.0 where it could not be told."""
    return versions().get(upload["version"] or "", V2)


def _refusal(code: str, parsed: Parsed | None) -> Refusal:
    """The refusal of then, with its place if reading the bytes again ends at the same."""
    again = parsed.refusals[0] if parsed else None
    return again if again is not None and again.code == code else Refusal(code, 0, 1, 1)


def stored_finding(row: Row, source: Source | None) -> Finding:
    """A finding of then from its row; a long value is cut there, so it is read from the bytes."""
    record, order, field = row["record"], row["order_no"], row["field"]
    value = source.value(record, order, field) if source and row["value"] is not None else None
    stands = row["stands_upload_id"]
    return Finding(
        record=record,
        order=order,
        field=field,
        code=row["code"],
        severity=row["severity"],
        rule=row["rule"],
        offset=row["byte_offset"],
        length=row["byte_length"],
        value=row["value"] if value is None else value,
        stands=None if stands is None else Standing(stands, row["stands_record"]),
    )


def _order(finding: Finding, places: Mapping[str, int]) -> tuple[int, int, int, str, str, int]:
    """As ``pipeline.outcome.Findings`` are ordered."""
    place = places.get(finding.field, len(places))
    code, rule = finding.code, finding.rule
    return finding.record, finding.order or 0, place, code, rule, finding.offset


@cache
def _places(version: Version) -> Mapping[str, int]:
    """Where each field stands among the others, then each element."""
    names = (*version.visit_fields, *version.order_fields, *ELEMENTS)
    return {name: index for index, name in enumerate(names)}


def _verdicts(records: int, findings: Iterable[Finding]) -> list[int]:
    verdicts = [int(Verdict.ACCEPTED)] * records
    for finding in findings:
        worse = Verdict.WARNED if finding.severity == "warn" else Verdict.REJECTED
        verdicts[finding.record - 1] = max(verdicts[finding.record - 1], worse)
    return verdicts
