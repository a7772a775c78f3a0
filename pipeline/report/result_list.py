"""The result list of uploads (document 001, 如何得知是否上傳成功): a table, CSV, or JSON.

An upload with neither findings nor refusal says 檢核無誤; any other says how to get its receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final

import orjson
import polars as pl
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from pipeline.comparison.results import Promptness
from pipeline.comparison.window import roc_date, roc_minute
from pipeline.report.precheck.comparison_json import promptness_json
from pipeline.report.precheck.csv_files import (
    CHANNELS,
    UPLOAD_COLUMNS,
    empty_csv,
    uploads_csv,
)

_COUNTS: Final = (
    ("records", "接收筆數", "records"),
    ("records_accepted", "有效明細", "valid"),
    ("orders", "接收醫令", "orders"),
    ("orders_accepted", "有效醫令", "valid"),
    ("records_rejected", "無效明細", "invalid"),
    ("orders_rejected", "無效醫令", "invalid"),
)
_WAITING: Final = {"held": "待確認 held", "dropped": "已放棄 dropped"}
_UNBOUNDED: Final = 10_000  # columns of a screen
_MODES: Final = {"official": "正式", "precheck": "預檢"}


@dataclass(frozen=True)
class ResultList:
    """Uploads of one institution received on some days, the last first (``result_list``)."""

    institution: str
    first: date
    last: date
    uploads: pl.DataFrame
    promptness: Promptness


def results_csv(results: ResultList) -> bytes:
    """The list as CSV, as it goes with the pre-check report."""
    return uploads_csv(results.uploads).get(results.institution) or empty_csv(UPLOAD_COLUMNS)


def results_json(results: ResultList) -> bytes:
    """One object an upload on a line of its own, then one with the sums."""
    lines = [orjson.dumps(_upload_json(row)) for row in results.uploads.iter_rows(named=True)]
    sums = {name: int(results.uploads[name].sum()) for name, _, _ in _COUNTS}
    last = {
        "institution": results.institution,
        "from": results.first.isoformat(),
        "to": results.last.isoformat(),
        "uploads": results.uploads.height,
        **sums,
        "within_24_hours": promptness_json(results.promptness),
    }
    return b"\n".join([*lines, orjson.dumps(last)]) + b"\n"


def show_results(results: ResultList, console: Console) -> None:
    """Print the list as the insurer's page shows it."""
    _say(console, "健保卡就醫資料上傳檢核結果查詢 results of uploads", "bold")
    days = f"{roc_date(results.first)} ~ {roc_date(results.last)}"
    _say(console, f"醫療院所代號 institution {results.institution}　上傳日期範圍 received {days}")
    if results.uploads.is_empty():
        _say(console, "這段期間沒有上傳 nothing was uploaded in these days")
        return
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("序號\nno", justify="right")
    table.add_column("接收日期/時間\nreceived at", no_wrap=True)
    table.add_column("類別\nkind", no_wrap=True)
    for _, zh, en in _COUNTS:
        table.add_column(f"{zh}\n{en}", justify="right")
    table.add_column("下載報表\nreceipt", no_wrap=True)
    for number, row in enumerate(results.uploads.iter_rows(named=True), start=1):
        table.add_row(*_cells(number, row))
    unbounded = console.options.update(max_width=_UNBOUNDED)
    table.width = Measurement.get(console, unbounded, table).maximum  # no figure is cut to fit
    console.print(table, soft_wrap=True)
    _say(console, "下載 download: nhi-upload receipt UPLOAD_ID --store URI")
    for line in promptness_text(results.promptness):
        _say(console, line)


def promptness_text(prompt: Promptness) -> tuple[str, ...]:
    """What share of the official records came in time, in both languages."""
    if prompt.ratio is None:
        return ()
    share = f"{prompt.ratio * 100:.2f}"
    late = prompt.late + prompt.late_emergencies
    return (
        f"依限上傳（24 小時內，急診 1 小時內）：2.0正式收下 {prompt.taken:,} 筆中 {share}%，"
        f"逾時 {late:,} 筆（急診 {prompt.late_emergencies:,} 筆）",
        f"In time (24 hours, emergencies one hour): {share} % of {prompt.taken:,} official 2.0 "
        f"records taken; {late:,} late, {prompt.late_emergencies:,} of them emergencies",
    )


def _say(console: Console, text: str, style: str = "") -> None:
    console.print(Text(text, style=style), soft_wrap=True)


def _cells(number: int, row: dict[str, Any]) -> tuple[str | Text, ...]:
    kind = f"{row['version'] or '–'} {_MODES[row['mode']]} {CHANNELS[row['channel']]}"
    counts = (f"{row[name]:,}" for name, _, _ in _COUNTS)
    return (str(number), roc_minute(row["received_at"]), kind, *counts, _result(row))


def _result(row: dict[str, Any]) -> Text:
    upload_id = str(row["upload_id"])
    if row["status"] == "refused":
        return Text(f"整批退件 refused {row['refusal_code'] or ''} {upload_id}", style="bold red")
    if row["status"] in _WAITING:
        return Text(f"{_WAITING[row['status']]} {upload_id}", style="yellow")
    if row["findings"]:
        return Text(f"下載 {upload_id}", style="red" if row["records_rejected"] else "yellow")
    return Text("檢核無誤 no errors", style="green")


def _upload_json(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "upload_id": row["upload_id"],
        "institution": row["institution"],
        "received_at": row["received_at"].astimezone(UTC).isoformat(),
        "version": row["version"],
        "mode": row["mode"],
        "channel": row["channel"],
        "status": row["status"],
        "refusal_code": row["refusal_code"],
        **{name: row[name] for name, _, _ in _COUNTS},
        "records_warned": row["records_warned"],
        "findings": row["findings"],
        "codes": row["codes"].split(),
    }
