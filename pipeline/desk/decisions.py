"""Held uploads, released or dropped on the store that the service holds."""

from __future__ import annotations

from pipeline.accounts.who import Who
from pipeline.desk.errors import NotThereError
from pipeline.desk.service import Settling
from pipeline.desk.uploads import HELD
from pipeline.held import Decision, decide
from pipeline.settings import Settings
from pipeline.store.store import Store
from pipeline.stored import Row
from rules import load_plan

__all__ = ["Decision", "decide_held"]


def decide_held(
    who: Who, row: Row, decision: Decision, settling: Settling, store_uri: str, settings: Settings
) -> str:
    """Decide on an upload between two batches; gives the status that it had before, which stays
    if that was not ``held``. Raises ``NotThereError`` for whoever may not decide."""
    if who.role != "insurer":
        raise NotThereError
    upload_id, status = row["redelivery_of"] or row["upload_id"], str(row["status"])
    if status != HELD:
        return status

    def decided(store: Store) -> str:
        before = decide(
            store, store_uri, [upload_id], decision, load_plan(),
            by=who.name, limits=settings.limits,
        )  # fmt: skip
        return before[upload_id]

    return settling.ask(decided).result()
