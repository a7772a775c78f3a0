"""Held uploads, released or dropped."""

from __future__ import annotations

from pipeline.accounts.who import Who
from pipeline.desk.errors import NotThereError
from pipeline.desk.service import Service
from pipeline.desk.uploads import HELD
from pipeline.outcome import Decision
from pipeline.stored import Row

__all__ = ["Decision", "decide_held"]


def decide_held(who: Who, row: Row, decision: Decision, service: Service) -> str:
    """Decide on an upload; gives the status that it had before, which stays if that was not
    ``held``. Raises ``NotThereError`` for whoever may not decide."""
    if who.role != "insurer":
        raise NotThereError
    upload_id, status = row["redelivery_of"] or row["upload_id"], str(row["status"])
    if status != HELD:
        return status
    return service.decide(upload_id, decision, who.name)
