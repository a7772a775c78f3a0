"""The two CSV files of the report, for the institution itself: ids in clear, UTF-8 with BOM, CRLF.

Made by column for many institutions at once. A cell that a spreadsheet could take for a formula
gets an apostrophe in front, as in the error CSV.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from pipeline.comparison.keys import KEYS, PRECHECK_FIELDS, V1_FIELDS
from pipeline.comparison.nearest import DIFFERS, SHARED
from pipeline.comparison.visit_types import visit_type_names
from pipeline.report.error_csv import neutralised
from pipeline.report.precheck.words import KEY_NAMES, differs_text

_BOM: Final = "\ufeff"
_EOL: Final = "\r\n"
_PLAIN: Final = r"^[0-9A-Za-z][0-9A-Za-z:/. _×-]{0,250}$"  # needs neither quotes nor an apostrophe
_EXPLANATIONS: Final = {
    differs: " ".join(differs_text(differs))
    for shared in (KEYS, *SHARED)
    for differs in [" ".join(key for key in KEYS if key not in shared)]
}
CHANNELS: Final = {"vpn": "VPN", "web-api": "Web-API"}
_MODES: Final = {"official": "正式 official", "precheck": "預檢 pre-check"}
_STATUSES: Final = {"done": "已收下 taken", "refused": "整批退件 refused", "held": "待確認 held",
                    "dropped": "已放棄 dropped"}  # fmt: skip
NO_ERRORS: Final = "檢核無誤 no errors"

Columns = Mapping[str, pl.Expr]
"""Header → value."""


def uploads_csv(uploads: pl.DataFrame) -> dict[str, bytes]:
    """The result list of uploads (``results.result_list``), one file an institution."""
    return _files(uploads, UPLOAD_COLUMNS)


def unmatched_csv(unmatched: pl.DataFrame) -> dict[str, bytes]:
    """The 1.0 visits without pre-check, each with the nearest (``nearest.with_nearest``), one file
    an institution."""
    return _files(unmatched, UNMATCHED_COLUMNS)


def country_csv(institutions: pl.DataFrame) -> bytes:
    """One row an institution, of columns named as they are to be headed."""
    columns = {name: pl.col(name) for name in institutions.columns}
    rows = institutions.with_columns(pl.lit("").alias("institution"))
    return _files(rows, columns).get("", empty_csv(columns))


def empty_csv(columns: Columns) -> bytes:
    """A file without rows."""
    return (_BOM + ",".join(columns) + _EOL).encode()


def roc_moment(column: str) -> pl.Expr:
    """A moment in UTC as people write it: 113/03/20 21:00:05, in Taipei."""
    here = pl.col(column).dt.convert_time_zone("Asia/Taipei")
    return (here.dt.year() - 1911).cast(pl.String) + here.dt.strftime("/%m/%d %H:%M:%S")


def result_text() -> pl.Expr:
    """No errors, or how to get the receipt of an upload that has findings or was refused."""
    fine = (pl.col("findings") == 0) & (pl.col("status") == "done")
    how = pl.lit("nhi-upload receipt ") + pl.col("upload_id")
    return pl.when(fine).then(pl.lit(NO_ERRORS)).otherwise(how)


def _counts(**headers: str) -> dict[str, pl.Expr]:
    return {f"{zh} {name}": pl.col(name) for name, zh in headers.items()}


UPLOAD_COLUMNS: Final[Columns] = {
    "序號 no": pl.int_range(1, pl.len() + 1).over("institution"),
    "上傳識別碼 upload_id": pl.col("upload_id"),
    "接收日期時間 received_at": roc_moment("received_at"),
    "格式 version": pl.col("version"),
    "上傳類別 mode": pl.col("mode").replace(_MODES),
    "上傳方式 channel": pl.col("channel").replace(CHANNELS),
    "狀態 status": pl.col("status").replace(_STATUSES),
    "整批退件代碼 refusal_code": pl.col("refusal_code"),
    **_counts(
        records="接收筆數",
        records_accepted="有效明細筆數",
        orders="接收醫令",
        orders_accepted="有效醫令",
        records_rejected="無效明細筆數",
        orders_rejected="無效醫令",
    ),
    "錯誤代碼 codes": pl.col("codes"),
    "檢核結果 result": result_text(),
}

UNMATCHED_COLUMNS: Final[Columns] = {
    **{f"{V1_FIELDS[key]} {KEY_NAMES[key][0]}": pl.col(key) for key in KEYS},
    "就醫類別名稱 visit_type": pl.col("type").replace(visit_type_names()),
    "1.0上傳識別碼 v1_upload_id": pl.col("upload_id"),
    "1.0筆數 v1_record": pl.col("record"),
    "不同欄位 differs": pl.col(DIFFERS),
    **{
        f"最接近的{PRECHECK_FIELDS[key]} {KEY_NAMES[key][0]}": pl.col(f"found_{key}")
        for key in KEYS
    },
    "2.0就醫識別碼 precheck_key": pl.col("found_visit_key"),
    "2.0上傳識別碼 precheck_upload_id": pl.col("found_upload_id"),
    "2.0筆數 precheck_record": pl.col("found_record"),
    "說明 explanation": pl.col(DIFFERS).fill_null("").replace(_EXPLANATIONS),
}


def _files(rows: pl.DataFrame, columns: Columns) -> dict[str, bytes]:
    """Rows, which stand together by institution, as a file an institution."""
    if rows.is_empty():
        return {}
    table = rows.select("institution", *(value.alias(name) for name, value in columns.items()))
    cells = [_cells(table[name]) for name in columns]
    lines = pl.DataFrame(
        {"institution": table["institution"], **{str(n): cell for n, cell in enumerate(cells)}}
    ).select("institution", pl.concat_str(pl.exclude("institution"), separator=",").alias("line"))
    texts = lines.group_by("institution", maintain_order=True).agg(pl.col("line").str.join(_EOL))
    head = empty_csv(columns)
    return {name: head + (text + _EOL).encode() for name, text in texts.iter_rows()}


def _cells(values: pl.Series) -> pl.Series:
    """Values as cells. Few need care, so each of those is looked at once."""
    text = values.cast(pl.String).fill_null("")
    odd = text.filter(~text.str.contains(_PLAIN) & (text != "")).unique().to_list()
    return text.replace({value: _quoted(neutralised(value)) for value in odd}) if odd else text


def _quoted(cell: str) -> str:
    if any(mark in cell for mark in ',"\r\n') or cell != cell.strip():
        return '"' + cell.replace('"', '""') + '"'
    return cell
