"""Edge: uploads that were held since they would delete much, released or dropped by somebody.

A release takes the archived bytes, gives them a new sequence and merges them then, as received at
the time they were. Either decision is a row of ``held`` and changes the upload's row; deciding
twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.archive import read_archived
from pipeline.core import Processed, process_many
from pipeline.errors import UnknownUploadError
from pipeline.limits import LIMITS, Limits
from pipeline.merge import MergePolicy
from pipeline.outcome import Envelope
from pipeline.reference.kept import read_snapshot
from pipeline.results import Receipted, finding_rows, upload_row
from pipeline.settle import Merger, Receipts
from pipeline.store.layout import layout_of
from pipeline.store.store import Store, open_store
from rules.plan import Plan
from schemas.tables import HELD

Decision = Literal["release", "drop"]
_STATUS = {"release": "done", "drop": "dropped"}


def decide_held(
    store_uri: str, upload_ids: Sequence[str], decision: Decision, plan: Plan, *,
    by: str | None = None, policy: MergePolicy | None = None, limits: Limits = LIMITS,
    receipts: Receipts | None = None, waiting: Callable[[str], None] | None = None,
) -> dict[str, str]:  # fmt: skip
    """Release or drop held uploads; gives the status each had before.

    Those that are not held (any more) stay as they are. All become durable together. Raises
    ``UnknownUploadError`` and what ``open_store`` raises.
    """
    with open_store(store_uri, waiting=waiting) as store:
        before = {upload_id: _upload(store, upload_id) for upload_id in upload_ids}
        publish = []
        for row in sorted(before.values(), key=lambda row: row["sequence"]):
            if row["status"] != "held":
                continue
            processed, one = _judged(store_uri, row, plan, limits)
            if decision == "release":
                one = replace(one, sequence=store.next_sequence())
                processed = Merger(store, policy or MergePolicy()).merge(
                    processed, [one], guarded=False
                )
                store.stage("findings", _of_state(processed, one))
            counts = processed.counts(0)
            decided = upload_row(
                one, None, counts, plan.hash, version=row["version"],
                encoding=processed.encodings[0], parser=processed.parsers[0],
            )  # fmt: skip
            store.replace_upload(decided | {"status": _STATUS[decision]})
            store.stage("held", _held_row(store, one, decision, by))
            if receipts:
                publish.append(receipts.prepare(processed, [one]))
        store.commit()
        for show in publish:
            show()
    return {upload_id: row["status"] for upload_id, row in before.items()}


def _upload(store: Store, upload_id: str) -> dict[str, Any]:
    rows = store.read("uploads", pc.field("upload_id") == upload_id).to_pylist()
    if not rows:
        raise UnknownUploadError(
            f"沒有這個上傳：{upload_id}", f"There is no such upload: {upload_id}"
        )
    found: dict[str, Any] = rows[0]
    return found


def _judged(
    store_uri: str, row: dict[str, Any], plan: Plan, limits: Limits
) -> tuple[Processed, Receipted]:
    """A held upload validated again."""
    layout = layout_of(store_uri)
    envelope = Envelope(
        row["received_at"], row["institution"], row["channel"], row["mode"], row["name"] or ""
    )
    payload = read_archived(layout.raw, bytes.fromhex(row["sha256"]))
    processed = process_many(
        [payload], [envelope], plan, utf8=row["encoding"] == "utf-8", limits=limits,
        references=read_snapshot(layout),
    )  # fmt: skip
    one = Receipted(row["upload_id"], row["name"], row["sha256"], row["sequence"], envelope)
    return processed, one


def _of_state(processed: Processed, one: Receipted) -> pa.Table:
    """The findings of the merge: those of validation were told when the upload was held."""
    of_state = [rule.id for rule in processed.plan.rules if rule.decided_by == "state"]
    rows = finding_rows(processed, [one])
    return rows.filter(pc.is_in(rows["rule"], value_set=pa.array(of_state)))


def _held_row(store: Store, one: Receipted, decision: Decision, by: str | None) -> pa.Table:
    """The decision, beside the counts that led to it."""
    held = store.read("held", pc.field("upload_id") == one.upload_id).to_pylist()
    (hold,) = (row for row in held if row["action"] == "hold")
    row = hold | {
        "action": decision,
        "sequence": one.sequence,
        "decided_at": datetime.now(UTC),
        "by": by,
    }
    return pa.Table.from_pylist([row], schema=HELD)
