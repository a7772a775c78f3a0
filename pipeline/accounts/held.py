"""The row of the audit log about a decision on a held upload, wherever that was taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pipeline.accounts.audit import AuditLog
from pipeline.outcome import Decision

_ACTIONS: Final[dict[Decision, str]] = {"release": "held.released", "drop": "held.dropped"}
_COUNTED: Final = ("visit_month", "deletes", "live")


def note_decision(
    audit: AuditLog, who: str, decision: Decision, hold: Mapping[str, Any], why: Mapping[str, Any]
) -> None:
    """Append it: ``hold`` is the upload's first row of ``held``, ``why`` what was told for it.

    Raises ``AccountsUnusableError``.
    """
    counted = {name: hold[name] for name in _COUNTED}
    audit.append(
        who, _ACTIONS[decision], hold["upload_id"], hold["institution"], {**why, **counted}
    )
