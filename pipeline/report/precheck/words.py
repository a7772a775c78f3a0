"""The words of the report: document 001's own, and what is ours beside them."""

from __future__ import annotations

from typing import Final

from pipeline.comparison.country import BANDS
from pipeline.comparison.keys import KEYS, PRECHECK_FIELDS, V1_FIELDS

TITLE: Final = ("健保卡2.0預檢比對健保卡1.0統計報表", "2.0 pre-check against 1.0")
WINDOW: Final = (
    "就醫日期(過卡日期)為系統日期前7日之健保卡就醫資料上傳結果",
    "Visits of the seven days before the system date, by visit date (the card's date)",
)
QUALIFIED: Final = ("已符合改版資格", "Qualified to change over")
NOT_QUALIFIED: Final = ("尚未符合改版資格", "Not yet qualified")
NOTHING: Final = ("期間內沒有1.0上傳成功資料", "No 1.0 successes in these days")
HEADINGS: Final = (
    ("1.0上傳成功資料件數(A)", "1.0 successes (A)"),
    ("對應1.0成功資料之2.0預檢成功件數(B)", "of these with a 2.0 pre-check success (B)"),
    ("(B)/(A)", "(B)/(A)"),
    ("2.0預檢上傳方式", "2.0 pre-check sent by"),
)
ROWS: Final = {
    "total": ("合計", "Total"),
    "date": ("就醫日期(過卡日期)合計", "By visit date"),
    "type": ("就醫類別合計", "By visit type"),
}
NOTES: Final = (
    (
        "健保卡2.0預檢方式：現行實際就醫資料，除依法登錄健保卡及上傳現行健保卡1.0資料，"
        "另同時產生健保卡2.0資料執行預檢上傳。",
        "Visits are uploaded as 1.0 as before; the same visits are sent as 2.0 pre-checks too.",
    ),
    (
        "「對應1.0成功資料之2.0預檢成功」比對欄位：身分證號(A12/M03)、出生日期(A13/M04)、"
        "就診日期時間(A17/M11)、就醫類別(A23/M07)。",
        "A pre-check belongs to a 1.0 visit where id, birth date, visit date-time and visit type "
        "agree.",
    ),
    (
        "健保卡2.0預檢上傳後，可至本署「健保資訊網服務系統(VPN)/服務項目/健保卡就醫上傳檢核結果查詢/"
        "健保卡就醫資料上傳預檢結果查詢」查詢下載檢核結果，"
        "Web API上傳者亦可使用Web API下載檢核結果檔，以提升2.0對應1.0成功比率。",
        "The findings of every pre-check can be downloaded from the VPN, or by Web API.",
    ),
    (
        "健保卡2.0正式上傳方式，僅限使用「Web API」路徑。",
        "Official 2.0 uploads are taken by Web API only.",
    ),
    (
        "下載CSV：內含「就醫日期為系統日期前7日之健保卡就醫資料上傳結果」檔及"
        "「健保卡1.0比對不到健保卡2.0之清單」檔二個檔案。",
        "Two CSV files go with this report: uploads.csv, the results of uploads, and "
        "unmatched.csv, the 1.0 visits without a pre-check.",
    ),
)
RULE: Final = (
    "比率以四捨五入計算，達100%且2.0預檢全部以Web-API上傳，即符合改版資格。",
    "Qualified at 100 %, rounded half up, with every pre-check sent by Web-API.",
)

KEY_NAMES: Final = {
    "id": ("身分證號", "id"),
    "birth": ("出生日期", "birth date"),
    "moment": ("就診日期時間", "visit date-time"),
    "type": ("就醫類別", "visit type"),
}
NOT_FOUND: Final = (
    "找不到對應的2.0預檢：未上傳，或預檢未通過",
    "no pre-check found: not sent, or rejected",
)
BAND_NAMES: Final = dict(
    zip(
        BANDS,
        (
            ("已符合資格", "qualified"),
            ("100%但有VPN", "100 %, some by VPN"),
            ("95–99%", ""),
            ("80–94%", ""),
            ("50–79%", ""),
            ("未達50%", "below 50 %"),
            ("尚無相符預檢", "nothing matched"),
        ),
        strict=True,
    )
)
_COLUMN_NAMES: Final = {key: f"{V1_FIELDS[key]}/{PRECHECK_FIELDS[key]}" for key in KEYS}


def differs_text(differs: str | None) -> tuple[str, str]:
    """Which keys differ from the nearest pre-check, given as their names with blanks between."""
    if not differs:
        return NOT_FOUND
    names = differs.split()
    zh = "、".join(f"{KEY_NAMES[name][0]}({_COLUMN_NAMES[name]})" for name in names)
    return f"{zh}不同", f"{', '.join(KEY_NAMES[name][1] for name in names)} differs"
