"""All versions of a visit in order, what stands, its orders and its prescriptions.

Nothing is held and nothing is changed: every table is read as it was when the trace began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from pipeline.lineage.archived import Archived
from pipeline.lineage.attempts import MOST_UPLOADS, Attempts
from pipeline.lineage.rows import Rows
from pipeline.lineage.visit import Order, Row, Span, Trace, Version, Visit
from pipeline.merge.keys import month_of, month_text
from pipeline.report.answer import Finding
from pipeline.report.stored import stored_finding

_NO_MONTH = "0000-00"


def follow(rows: Rows, visit: Visit, *, most_uploads: int = MOST_UPLOADS) -> Trace:
    """Everything of a visit that is ``whole``; of one that nobody sent, no versions.

    ``most_uploads``: so many archived uploads are searched for records that were not taken.
    """
    versions = _taken(rows, visit)
    attempts = Attempts(rows, visit, {(v.upload["upload_id"], v.record) for v in versions})
    told = list(attempts.told())
    institutions = {v.upload["institution"] for v in versions} - {None}
    if visit.special and visit.institution:
        institutions = {visit.institution}
    elif visit.institution:
        institutions.add(visit.institution)
    guessed = not institutions and not visit.special
    if guessed:
        institutions = set(rows.institutions_alike(visit))
    found, searched = attempts.searched(institutions, most_uploads, guessed=guessed)
    versions += [_version(a.upload, a.record, a.outcome, a.place) for a in (*told, *found)]
    return _told(rows, Trace(visit, rows.mode, tuple(versions), searched=searched))


def follow_record(rows: Rows, upload: Row, record: int, *, most_uploads: int) -> Trace:
    """Everything of the visit that a record names; of one that names none, the record alone.

    Raises ``LookupError`` if the upload has no such record, or no bytes were kept of it.
    """
    archived = rows.archived(upload)
    if archived is None or archived.source is None:
        raise LookupError(upload["upload_id"])
    place = archived.record(record)
    visit = visit_of(archived, record)
    asked = upload["upload_id"], record
    if visit is not None:
        return replace(follow(rows, visit, most_uploads=most_uploads), asked=asked)
    outcome = {"held": "held", "dropped": "dropped"}.get(upload["status"], "rejected")
    alone = _version(archived, record, outcome, place)
    return _told(rows, Trace(Visit(""), rows.mode, (alone,), asked=asked))


def visit_of(upload: Archived, record: int) -> Visit | None:
    """The visit that a record names, if it names any."""
    assert upload.source is not None  # noqa: S101
    m15, m05, m03, m11 = (
        upload.source.value(record, None, name) for name in ("M15", "M05", "M03", "M11")
    )
    if not m15:
        return None
    visit = Visit(m15)
    return Visit(m15, m05, m03, m11) if visit.special else visit


def _taken(rows: Rows, visit: Visit) -> list[Version]:
    """The records of ``history``, each with its bytes."""
    history = rows.history(visit)
    uploads = rows.uploads(row["upload_id"] for row in history)
    opened: dict[str, Archived | None] = {}
    versions = []
    for row in history:
        key = row["upload_id"]
        if key not in uploads:  # committed while the tables were opened, its upload last
            continue
        if key not in opened:
            opened[key] = rows.archived(uploads[key])
        archived, record = opened[key], row["record"]
        place = Span(row["byte_offset"], row["byte_length"])
        if visit.special and not (archived and archived.names(visit, record)):
            continue
        day = row["visit_date"]
        month = month_text(month_of(day)) if day else _NO_MONTH
        xml = archived.text_at(place) if archived else ""
        version = Version(uploads[key], record, row["action"], None, place, xml)
        versions.append(replace(version, month=month if row["action"] == "put" else None))
    return versions


def _version(upload: Archived, record: int, outcome: str, place: Span) -> Version:
    xml = upload.text_at(place) if record else ""
    return Version(upload.row, record, outcome, None, place, xml)


def _told(rows: Rows, trace: Trace) -> Trace:
    """A trace whose versions are still in no order, with all that the tables add."""
    versions = sorted(trace.versions, key=lambda v: (v.upload["sequence"], v.record))
    versions = _with_findings(rows, versions)
    versions = _with_ends(versions)
    months = {version.month for version in versions if version.month}
    live = rows.live(trace.visit, months) if months else []
    standing = {(row["upload_id"], row["record"]): row for row in live}
    versions = [
        replace(v, stands=(v.upload["upload_id"], v.record) in standing and v.outcome == "put")
        for v in versions
    ]
    trace = replace(trace, versions=tuple(versions))
    for row in live:
        trace = replace(trace, orders=_orders(rows, trace.visit, row))
    ledger = _prescriptions(rows, trace, live)
    made_by = rows.uploads_by_sequence(row["sequence"] for row in ledger)
    return replace(trace, prescriptions=tuple(ledger), made_by=made_by)


def _with_findings(rows: Rows, versions: Sequence[Version]) -> list[Version]:
    """With the findings of each record, and the verdict they come to."""
    found = defaultdict(list)
    for row in rows.findings(version.upload for version in versions):
        found[row["upload_id"], row["record"]].append(stored_finding(row, None))
    out = []
    for version in versions:
        of_it = found[version.upload["upload_id"], version.record] if version.record else []
        findings = sorted(of_it, key=lambda f: (f.order or 0, f.offset, f.field, f.code))
        verdict = _verdict(findings) if version.record else None
        out.append(replace(version, findings=tuple(findings), verdict=verdict))
    return out


def _verdict(findings: Iterable[Finding]) -> str:
    severities = {finding.severity for finding in findings}
    return "rejected" if "reject" in severities else "warned" if severities else "accepted"


def _with_ends(versions: Sequence[Version]) -> list[Version]:
    """Which version replaced or deleted which."""
    out, live = list(versions), None
    for index, version in enumerate(versions):
        if version.outcome not in ("put", "delete"):
            continue
        if live is not None:
            out[live] = replace(out[live], ended_by=index)
        live = index if version.outcome == "put" else None
    return out


def _orders(rows: Rows, visit: Visit, live: Row) -> tuple[Order, ...]:
    """The orders of the live version, each with its place in the upload."""
    found = rows.orders(visit, live["visit_month"])
    upload = rows.uploads([live["upload_id"]]).get(live["upload_id"])
    archived = rows.archived(upload) if upload else None
    spans = archived.orders(live["record"]) if archived else []
    return tuple(
        Order(row, spans[row["order_no"] - 1] if spans else Span(live["byte_offset"], 0))
        for row in found
    )


def _prescriptions(rows: Rows, trace: Trace, live: Sequence[Row]) -> list[Row]:
    """The ledger of the prescription that the visit issued, and of the one it dispenses."""
    named = [trace.visit.treatment_id, *(row["M16"] for row in live if row["M07"] in ("AE", "AF"))]
    return [row for one in dict.fromkeys(filter(None, named)) for row in rows.ledger(Visit(one))]
