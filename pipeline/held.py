"""Edge: uploads that were held since they would delete much, released or dropped by somebody.

A release takes the archived bytes, gives them a new sequence and merges them then, as received at
the time they were. Either decision is a row of ``held`` and changes the upload's row; deciding
twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

import pyarrow.compute as pc

from pipeline.core import Processed, process_many
from pipeline.decided import (
    STATUS,
    Row,
    decision_row,
    hold_of,
    not_yet_told,
    replace_upload,
)
from pipeline.errors import UnknownUploadError
from pipeline.intake.recovery import open_settled
from pipeline.limits import LIMITS, Limits
from pipeline.merge.merge import MergePolicy
from pipeline.outcome import Decision, Envelope
from pipeline.reference.kept import read_snapshot
from pipeline.results import Receipted, finding_rows, upload_row
from pipeline.settle import Merger, Publish
from pipeline.store.layout import layout_of
from pipeline.store.raw import read_upload
from pipeline.store.store import Store
from rules.plan import Plan

__all__ = ["Decision", "StoredReceipts", "decide", "decide_held"]


class StoredReceipts(Protocol):
    """Writes the receipts of stored uploads anew."""

    def begin(self) -> None:
        """The store is held; what a crash kept from being seen is made good."""

    def prepare_stored(self, upload_ids: Sequence[str]) -> Publish:
        """Those of uploads of which something is to become; gives what writes them then."""


def decide_held(
    store_uri: str, upload_ids: Sequence[str], decision: Decision, plan: Plan, *,
    by: str | None = None, policy: MergePolicy | None = None, utf8: bool = False,
    limits: Limits = LIMITS, receipts: StoredReceipts | None = None,
    waiting: Callable[[str], None] | None = None,
) -> dict[str, str]:  # fmt: skip
    """``decide`` on a store that is opened for it. Raises what ``open_store`` raises, too."""
    with open_settled(
        store_uri, plan, utf8=utf8, limits=limits, policy=policy, waiting=waiting
    ) as store:
        if receipts:
            receipts.begin()
        return decide(
            store, store_uri, upload_ids, decision, plan,
            by=by, policy=policy, limits=limits, receipts=receipts,
        )  # fmt: skip


def decide(
    store: Store, store_uri: str, upload_ids: Sequence[str], decision: Decision, plan: Plan, *,
    by: str | None = None, policy: MergePolicy | None = None, limits: Limits = LIMITS,
    receipts: StoredReceipts | None = None,
) -> dict[str, str]:  # fmt: skip
    """Release or drop held uploads of an open store; gives the status each had before, by upload
    id (of a redelivery, that of the first upload).

    All that was settled before is committed. Uploads that are not held (any more) stay as they
    are. All become durable together; then all ``receipts`` of these uploads are written anew.
    Raises ``UnknownUploadError`` and ``StoreWriteError``.
    """
    rows = [_upload(store, upload_id) for upload_id in upload_ids]
    before = {row["upload_id"]: row for row in rows}
    publish = receipts.prepare_stored(list(before)) if receipts else None
    waiting_rows = (row for row in before.values() if row["status"] == "held")
    for row in sorted(waiting_rows, key=lambda row: row["sequence"]):
        upload_id = row["upload_id"]
        decided = row
        if decision == "release":
            decided = _released(store, store_uri, row, plan, policy or MergePolicy(), limits)
        replace_upload(store, decided | {"status": STATUS[decision]})
        hold, now = hold_of(store, upload_id), datetime.now(UTC)
        store.stage("held", decision_row(hold, decided["sequence"], decision, by, now))
    store.commit()
    if publish:
        publish()
    return {upload_id: row["status"] for upload_id, row in before.items()}


def _released(
    store: Store, store_uri: str, row: Row, plan: Plan, policy: MergePolicy, limits: Limits
) -> Row:
    """Merge a held upload now, and stage what follows; gives its row of ``uploads``."""
    processed, one = _judged(store_uri, row, plan, limits)
    one = replace(one, sequence=store.next_sequence())
    processed = Merger(store, policy).merge(processed, [one], guarded=False)
    told = store.read("findings", pc.field("upload_id") == one.upload_id)
    store.stage("findings", not_yet_told(told, finding_rows(processed, [one])))
    return upload_row(
        one, None, processed.counts(0), processed.plan.hash, version=row["version"],
        encoding=processed.encodings[0], parser=processed.parsers[0],
        references=processed.references,
    )  # fmt: skip


def _upload(store: Store, upload_id: str) -> Row:
    """The row of an upload; of a redelivery that of the first."""
    found = store.upload(upload_id)
    if found is None:
        raise UnknownUploadError(
            f"沒有這個上傳：{upload_id}", f"There is no such upload: {upload_id}"
        )
    return _upload(store, found["redelivery_of"]) if found["redelivery_of"] else found


def _judged(store_uri: str, row: Row, plan: Plan, limits: Limits) -> tuple[Processed, Receipted]:
    """A held upload validated again."""
    layout = layout_of(store_uri)
    envelope = Envelope(
        row["received_at"], row["institution"], row["channel"], row["mode"], row["name"] or ""
    )
    payload = read_upload(layout, bytes.fromhex(row["sha256"]))
    processed = process_many(
        [payload], [envelope], plan, utf8=row["encoding"] == "utf-8", limits=limits,
        references=read_snapshot(layout),
    )  # fmt: skip
    one = Receipted(row["upload_id"], row["name"], row["sha256"], row["sequence"], envelope)
    return processed, one
