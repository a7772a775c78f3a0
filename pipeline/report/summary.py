"""The end of a run on a screen: what was taken, what was not, and what to look at first."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.report.masking import without_ids
from pipeline.report.printable import printable
from pipeline.report.texts import code_meaning
from pipeline.run_summary import RunSummary
from rules.plan import Plan

_TOP_CODES = 10
_FIRST_NAMES = 10
_MEGABYTE = 1e6


def show_summary(summary: RunSummary, plan: Plan, console: Console) -> None:
    """Print what a run came to."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    for row in _rows(summary):
        grid.add_row(*row)
    console.print(grid, soft_wrap=True)
    for line, style in (
        *_codes(summary, plan), *_refusals(summary, plan), *_holds(summary), *_failures(summary)
    ):  # fmt: skip
        console.print(Text(line, style=style), soft_wrap=True)
    console.print(Text(_speed(summary), style="dim"))


def summary_json(summary: RunSummary) -> dict[str, object]:
    """A run for machines; refusals, holds, failures and redeliveries by name, the first of each."""
    return {
        "uploads": summary.uploads,
        "done": summary.done,
        "refused": summary.refused,
        "held": summary.held,
        "redelivered": summary.redelivered,
        "failed": summary.failed,
        "counts": dict(vars(summary.counts)),
        "codes": dict(summary.codes.most_common()),
        "bytes": summary.bytes_taken,
        "seconds": round(summary.seconds, 3),
        "refusals": [
            {"upload": without_ids(name), "code": r.code, "offset": r.offset}
            for name, r in summary.refusals
        ],
        "holds": [
            {"upload": without_ids(name), "upload_id": upload_id}
            for name, upload_id in summary.holds
        ],
        "failures": [{"upload": without_ids(name)} for name, _ in summary.failures],
        "redeliveries": [
            {"upload": without_ids(name), "upload_id": first}
            for name, first in summary.redeliveries
        ],
    }


def _rows(summary: RunSummary) -> list[tuple[str, str, str]]:
    c = summary.counts
    uploads = [f"收下 taken {summary.done:,}", f"整批退件 refused {summary.refused:,}",
               f"重送 redelivered {summary.redelivered:,}"]  # fmt: skip
    if summary.held:
        uploads.insert(1, f"暫緩 held {summary.held:,}")
    if summary.failed:
        uploads.append(f"系統錯誤 failed {summary.failed:,}")
    records = [f"接受 accepted {c.records_accepted:,}（其中提示 warned {c.records_warned:,}）",
               f"退件 rejected {c.records_rejected:,}"]  # fmt: skip
    orders = [f"有效 accepted {c.orders_accepted:,}", f"無效 rejected {c.orders_rejected:,}"]
    return [
        ("上傳 uploads", f"{summary.uploads:,}", "，".join(uploads)),
        ("資料 records", f"{c.records:,}", "，".join(records)),
        ("醫令 orders", f"{c.orders:,}", "，".join(orders)),
    ]


def _codes(summary: RunSummary, plan: Plan) -> Iterator[tuple[str, str]]:
    for code, count in summary.codes.most_common(_TOP_CODES):
        yield f"  {code:<5}{count:>11,}  {' '.join(code_meaning(plan, code))}", ""
    more = len(summary.codes) - _TOP_CODES
    if more > 0:
        yield f"  …另有 {more:,} 種代碼 more codes", "dim"


def _refusals(summary: RunSummary, plan: Plan) -> Iterator[tuple[str, str]]:
    for name, refusal in summary.refusals[:_FIRST_NAMES]:
        meaning = " ".join(code_meaning(plan, refusal.code))
        yield f"  ✗ {printable(without_ids(name))}  {refusal.code} {meaning}", "bold red"
    more = summary.refused - _FIRST_NAMES
    if more > 0:
        yield f"  …另有 {more:,} 個整批退件 more refused", "dim"


def _holds(summary: RunSummary) -> Iterator[tuple[str, str]]:
    for name, upload_id in summary.holds[:_FIRST_NAMES]:
        shown = printable(without_ids(name))
        yield f"  ‖ {shown}  大量刪除，待確認 many deletes, to be confirmed: {upload_id}", "yellow"
    more = summary.held - _FIRST_NAMES
    if more > 0:
        yield f"  …另有 {more:,} 個待確認 more held", "dim"
    if summary.held:
        yield "    nhi-upload held list|show|release|drop --store URI", "dim"


def _failures(summary: RunSummary) -> Iterator[tuple[str, str]]:
    """Without the messages of exceptions, which may hold a patient's data."""
    for name, error in summary.failures[:_FIRST_NAMES]:
        kind, shown = error.partition(":")[0], printable(without_ids(name))
        yield f"  ! {shown}  系統錯誤，請重送 a fault of ours, send again ({kind})", "red"


def _speed(summary: RunSummary) -> str:
    megabytes = summary.bytes_taken / _MEGABYTE
    speed = megabytes / summary.seconds if summary.seconds else 0.0
    return f"{megabytes:,.1f} MB，{summary.seconds:,.1f} 秒 s，{speed:,.1f} MB/s"
