"""Uploads that wait for a decision, and what was decided: text and JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from pipeline.report.masking import without_ids
from pipeline.report.printable import printable
from pipeline.taipei import TAIPEI

Row = Mapping[str, Any]
_ACTIONS: Final = {"hold": "暫緩 held", "release": "放行 released", "drop": "作廢 dropped"}
_FORMATS: Final = {
    "A": "正常 normal", "B": "異常 abnormal", "C": "取消 cancels", "D": "刪除 deletes",
    "E": "復原 undos",
}  # fmt: skip


@dataclass(frozen=True)
class HeldUpload:
    """A row of ``uploads`` with its rows of ``held`` in order, the first one being the hold.

    ``formats`` counts its records by H01; empty where that was not looked at.
    """

    upload: Row
    decisions: Sequence[Row]
    formats: Mapping[str, int]

    @property
    def share(self) -> float:
        """Deletes by live records of the month, 0 to 1."""
        hold = self.decisions[0]
        return float(hold["deletes"] / hold["live"]) if hold["live"] else 0.0


def held_json(held: HeldUpload) -> dict[str, object]:
    """An upload that is or was held, for machines."""
    upload, hold = held.upload, held.decisions[0]
    return {
        "upload_id": upload["upload_id"],
        "upload": without_ids(upload["name"] or ""),
        "institution": upload["institution"],
        "status": upload["status"],
        "received_at": upload["received_at"].astimezone(UTC).isoformat(),
        "sequence": upload["sequence"],
        "records": upload["records"],
        "records_rejected": upload["records_rejected"],
        "visit_month": hold["visit_month"],
        "deletes": hold["deletes"],
        "live": hold["live"],
        "share": round(held.share, 4),
        "decisions": [
            {
                "action": row["action"],
                "sequence": row["sequence"],
                "at": row["decided_at"].astimezone(UTC).isoformat(),
                "by": row["by"],
            }
            for row in held.decisions
        ],
        **({"formats": dict(held.formats)} if held.formats else {}),
    }


def held_line(held: HeldUpload) -> str:
    """An upload that waits, on one line."""
    upload, hold = held.upload, held.decisions[0]
    return (
        f"{upload['upload_id']}  機構 institution {upload['institution']}"
        f"  就醫月份 month {hold['visit_month']}"
        f"  刪除 deletes {hold['deletes']:,}/{hold['live']:,}（{held.share:.0%}）"
        f"  自 since {_moment(upload['received_at'])}"
    )


def held_lines(held: HeldUpload) -> list[str]:
    """All there is to know of an upload that is or was held."""
    upload = held.upload
    lines = [
        held_line(held),
        f"  {printable(without_ids(upload['name'] or '')) or '—'}  {upload['channel']}"
        f"  狀態 status {upload['status']}  序 sequence {upload['sequence']}",
        f"  資料 records {upload['records']:,}，{_judged_by(upload['status'])}："
        f"合格 good {upload['records_accepted']:,}、退件 rejected {upload['records_rejected']:,}",
    ]
    if held.formats:
        counts = (f"{_FORMATS.get(h01, h01)} {n:,}" for h01, n in held.formats.items())
        lines.append(f"  格式 formats：{'、'.join(counts)}")
    for row in held.decisions:
        by = f"  由 by {printable(row['by'])}" if row["by"] else ""
        lines.append(f"  {_moment(row['decided_at'])}  {_ACTIONS[row['action']]}{by}")
    return lines


def _judged_by(status: str) -> str:
    """What the counts rest on: only a released upload has been merged."""
    return "檢核與合併 by check and merge" if status == "done" else "自身檢核 by its own check"


def _moment(moment: Any) -> str:
    return f"{moment.astimezone(TAIPEI):%Y-%m-%d %H:%M}"
