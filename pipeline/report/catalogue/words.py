"""The closed vocabulary of rules in both languages, and dates as both calendars write them."""

from __future__ import annotations

from collections.abc import Iterable

from rules.functions import roc_moment
from rules.model import Applies, Bilingual, Edition

SEVERITIES = {
    "refuse": Bilingual("整批退件", "refuse the upload"),
    "reject": Bilingual("退件", "reject the record"),
    "warn": Bilingual("提示，仍收下", "warn, still taken"),
}
DECIDED_BY = {
    "record": Bilingual("該筆資料本身", "the record itself"),
    "parse": Bilingual("讀取檔案時", "reading the file"),
    "upload": Bilingual("整份上傳與寄件院所", "the upload and its sender"),
    "state": Bilingual("先前收下的資料（離線檢核不判定）", "stored records (not offline)"),
    "reference": Bilingual("參考檔（載入後才檢核）", "a reference table, once loaded"),
    "outside": Bilingual("本系統無法判定", "not decidable here"),
}
CERTAINTIES = {
    "documented": Bilingual("有明文依據", "documented"),
    "derived": Bilingual("由資料推得", "derived from data"),
    "assumed": Bilingual("推定，尚無明文", "assumed, not confirmed"),
}
STATUSES = {
    "preview": Bilingual("試行", "preview"),
    "stable": Bilingual("使用中", "stable"),
    "deprecated": Bilingual("將停用", "deprecated"),
    "removed": Bilingual("已停用", "removed"),
}
FORMATS = {
    "A": Bilingual("正常", "normal"),
    "B": Bilingual("異常", "abnormal"),
    "C": Bilingual("註銷未調劑", "cancel undispensed"),
    "D": Bilingual("刪除", "delete"),
    "E": Bilingual("取消註銷", "undo cancel"),
    "1": Bilingual("正常", "normal"),
    "2": Bilingual("異常", "abnormal"),
    "3": Bilingual("補正（正常）", "correction of normal data"),
    "4": Bilingual("補正（異常）", "correction of abnormal data"),
}
KINDS = {
    "1": Bilingual("健保就醫", "NHI visit"),
    "2": Bilingual("預防接種", "vaccination"),
    "3": Bilingual("藥物過敏", "drug allergy"),
    "4": Bilingual("其他", "other"),
    "5": Bilingual("檢驗結果通報", "test result notice"),
}
_CLOCKS = {
    "visit": Bilingual("就診日", "by date of visit"),
    "receipt": Bilingual("收件日", "by date of receipt"),
}
SOURCES = {
    "000": Bilingual(
        "全民健康保險保險憑證製發及存取資料管理辦法（112 年 1 月 4 日）",
        "Regulations on issuing the insurance card and accessing its data (2023-01-04)",
    ),
    "001": Bilingual(
        "健保重要業務宣導：就醫識別碼 2.0、虛擬健保卡（113 年 4 月）",
        "Briefing on treatment id 2.0 and the virtual card (April 2024)",
    ),
    "002": Bilingual(
        "健保中字第 1044082137 號函（104 年 9 月 7 日）",
        "Letter 1044082137 of the insurer's central branch (2015-09-07)",
    ),
    "003": Bilingual(
        "虛擬健保卡問答集第七版（112 年 1 月 30 日）",
        "Virtual card questions and answers, 7th edition (2023-01-30)",
    ),
    "004": Bilingual("個人網路申辦健保卡服務操作手冊", "Manual of the online card application"),
    "rules.md": Bilingual(
        "依公開資料整理的檢核條件", "Checks gathered by this project from public material"
    ),
    "errors.csv": Bilingual(
        "健保署錯誤代碼（文字由本專案改寫）", "The insurer's error codes, in our own words"
    ),
    "CERTAINTY.md": Bilingual("各項事實的把握程度", "How certain each fact is"),
    "fields.csv": Bilingual("欄位表", "The table of fields"),
    "fields_v1.csv": Bilingual("1.0 格式欄位表", "The table of fields of format 1.0"),
    "codes.csv": Bilingual("代碼表", "The tables of codes"),
    "ours": Bilingual("本系統自訂", "A check of this system"),
}


def applies_to(applies: Applies, decided_by: str, version: str) -> Bilingual:
    """Which records meet a rule: formats (H01) and data kinds (H00) of 2.0; else the version."""
    if decided_by in ("parse", "upload"):
        of = Bilingual("所有上傳", "every upload")
    else:
        of = _records(applies)
    if version == "1.0":
        return Bilingual(f"1.0 格式：{of.zh}", f"format 1.0: {of.en}")
    return of


def _records(applies: Applies) -> Bilingual:
    formats, kinds = _named(applies.formats, FORMATS), _named(applies.kinds, KINDS)
    any_format = Bilingual("任何資料格式", "any format")
    any_kind = Bilingual("任何資料型態", "any kind")
    return Bilingual(
        f"{formats.zh if applies.formats else any_format.zh}；"
        f"{kinds.zh if applies.kinds else any_kind.zh}",
        f"{formats.en if applies.formats else any_format.en}; "
        f"{kinds.en if applies.kinds else any_kind.en}",
    )


def _named(values: Iterable[str] | None, names: dict[str, Bilingual]) -> Bilingual:
    known = [(value, names.get(value, Bilingual("", ""))) for value in values or ()]
    return Bilingual(
        "、".join(f"{value} {name.zh}".rstrip() for value, name in known),
        ", ".join(f"{value} {name.en}".rstrip() for value, name in known),
    )


def in_force(edition: Edition) -> Bilingual:
    """When a wording counts; empty where it always does."""
    if edition.start is None and edition.until is None:
        return Bilingual("", "")
    clock = _CLOCKS[edition.clock]
    zh, en = [], []
    if edition.start is not None:
        zh.append(f"{_roc(edition.start)}起")
        en.append(f"from {iso_day(edition.start)}")
    if edition.until is not None:
        zh.append(f"{_roc(edition.until)}前")
        en.append(f"before {iso_day(edition.until)}")
    return Bilingual(f"{clock.zh} {'，'.join(zh)}", f"{' and '.join(en)}, {clock.en}")


def iso_day(roc: str) -> str:
    """``2025-01-01`` for ROC ``1140101``."""
    moment = roc_moment(roc)
    return roc if moment is None else moment.date().isoformat()


def _roc(day: str) -> str:
    return f"{int(day[:3])} 年 {int(day[3:5])} 月 {int(day[5:7])} 日"
