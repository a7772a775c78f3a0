"""What lies between two barriers → rows of an open store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.merge.merge import Hold
from pipeline.outcome import Envelope
from pipeline.results import Receipted, held_row, upload_rows
from pipeline.store.store import Store
from pipeline.stream.deciding import FAILED, Decisions
from pipeline.stream.merging import Part, TooMany
from pipeline.stream.parts import Checked
from schemas.tables import FINDINGS, HELD

Row = dict[str, Any]
_STANDS: Final = FINDINGS.names.index("stands_upload_id")


@dataclass(frozen=True)
class Receipt:
    """What is said of an upload: its row of ``uploads`` and its rows of ``findings``.

    ``decided``: it was held, and told so before.
    """

    row: Row
    findings: list[Row]
    decided: bool = False


def stage(
    store: Store, checked: Sequence[tuple[int, Checked]], parts: Sequence[Part]
) -> list[Receipt]:
    """Take everything up to a barrier into the next commit; gives the receipts, in order.

    Where a held upload is decided on, all before the step is committed.
    """
    for part in parts:
        for one in part.applied:
            track = store.track(one.track)
            track.apply(one.visits, one.ledger)
            if track.has_history:
                store.stage(track.history, one.history)
    rows, holds = dict[str, Row](), dict[str, Row]()
    decisions = Decisions(store, rows, holds)
    _rows(store, checked, parts, rows, holds, decisions)
    store.stage("held", pa.Table.from_pylist(list(holds.values()), schema=HELD))
    stored = [row for row in rows.values() if row["status"] != FAILED]
    if stored:
        store.stage("uploads", upload_rows(stored))
    decisions.stage()
    for row in (*stored, *decisions.replaced.values()):
        store.reach(row["sequence"])
    merged = _merged_findings(store, parts)
    findings, told = decisions.findings([one for _, one in checked], merged)
    store.stage("findings", findings)
    return _receipts({**rows, **decisions.replaced}.values(), findings, told)


def _receipts(
    rows: Iterable[Row], findings: pa.Table, told: Mapping[str, pa.Table]
) -> list[Receipt]:
    by_upload: dict[str, list[Row]] = {}
    for found in findings.to_pylist():
        by_upload.setdefault(found["upload_id"], []).append(found)
    by_upload |= {upload_id: all_of_it.to_pylist() for upload_id, all_of_it in told.items()}
    return [
        Receipt(row, by_upload.get(row["upload_id"], []), row["upload_id"] in told) for row in rows
    ]


def _rows(
    store: Store, checked: Sequence[tuple[int, Checked]], parts: Sequence[Part],
    rows: dict[str, Row], holds: dict[str, Row], decisions: Decisions,
) -> None:  # fmt: skip
    """The rows of ``uploads``, with what the merge changed of their counts, and of ``held``."""
    held: dict[int, TooMany] = {at: why for part in parts for at, why in part.held.items()}
    for sequence, one in checked:
        row = dict(one.row)
        for part in parts:
            accepted, warned, rejected = part.recounted.get(sequence, (0, 0, 0))
            row["records_accepted"] += accepted
            row["records_warned"] += warned
            row["records_rejected"] += rejected
        if one.decision is not None:
            decisions.take(row, one.decision)
            continue
        if one.first is not None:
            row |= _of_first(store, {**rows, **decisions.replaced}, row["redelivery_of"])
        if sequence in held:
            row["status"] = "held"
            holds[row["upload_id"]] = _held(row, held[sequence])
        rows[row["upload_id"]] = row


def _of_first(store: Store, rows: Mapping[str, Row], upload_id: str) -> Row:
    """What a redelivery says of the upload that was taken."""
    first = rows.get(upload_id) or store.upload(upload_id)
    if first is None or first["status"] == FAILED:
        return {"status": FAILED}
    of_first = {name: first[name] for name in ("institution", "status", "refusal_code")}
    return of_first | {"redelivery_of": first["redelivery_of"] or first["upload_id"]}


def _held(row: Row, why: TooMany) -> Row:
    envelope = Envelope(row["received_at"], row["institution"], row["channel"], row["mode"])
    one = Receipted(row["upload_id"], row["name"], row["sha256"], row["sequence"], envelope)
    return held_row(one, Hold(0, *why))


def _merged_findings(store: Store, parts: Iterable[Part]) -> pa.Table:
    """Rows of ``findings`` of the merge, with the ids of what stands."""
    told = pa.concat_tables([FINDINGS.empty_table(), *(t for p in parts for t in p.findings)])
    sequences = pc.cast(told["stands_upload_id"], pa.int64())
    wanted = pc.unique(sequences.drop_null()).to_pylist()
    ids = dict(zip(wanted, store.upload_ids(wanted), strict=True))
    names = pa.array([ids.get(at) for at in sequences.to_pylist()], pa.string())
    return told.set_column(_STANDS, FINDINGS.field(_STANDS), names)
