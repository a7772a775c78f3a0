"""What became of an upload, in a sentence, as its sender reads it first. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from pipeline.report.answer import Answer
from pipeline.report.texts import held_text, refusal_text

Tone = Literal["good", "warn", "bad", "note"]


@dataclass(frozen=True)
class Headline:
    """What happened, and what to do next; ``tone`` colours it, the words alone suffice."""

    tone: Tone
    zh: str
    en: str
    todo_zh: str = ""
    todo_en: str = ""


_MEND_AND_SEND: Final = (
    "請依下表修正退件的紀錄；修正後只需重送這些紀錄，已收下的不必重送。",
    "Correct the rejected records as the table says and send them again; "
    "what was taken need not be sent again.",
)
_MEND_AND_TRY: Final = (
    "請依下表修正後再試檢一次，沒有退件再上傳。",
    "Correct the records as the table says, try again, and send the file once none is rejected.",
)
WAITING: Final = Headline(
    "note",
    "已收到，正在檢核…",
    "Received; it is being checked…",
    "不需要重送。結果出來後，這一頁會自動更新。",
    "Don't send it again. This page shows the result as soon as it is there.",
)
FAILED: Final = Headline(
    "warn",
    "已收到並妥善保存，但系統檢核時發生問題",
    "Received and safe, but checking it failed on our side",
    "這不是您的檔案的錯。不需要重送；我們處理好之後，結果會出現在這一頁。",
    "It is not your file's fault. Don't send it again: the result appears here once we mended it.",
)


def headline(answer: Answer, *, trial: bool = False) -> Headline:
    """The verdict of an upload; of a ``trial`` nothing was taken."""
    if answer.refusal is not None:
        text = refusal_text(answer.plan, answer.refusal)
        return Headline(
            "bad",
            f"整批退件：{text.message_zh}",
            f"The whole upload was refused: {text.message_en}",
            text.remedy_zh or "請修正檔案後整批重新上傳。",
            text.remedy_en or "Mend the file and send all of it again.",
        )
    if answer.waits:
        text = held_text(answer.status)
        return Headline(
            "warn", text.message_zh, text.message_en, text.remedy_zh, text.remedy_en
        )  # fmt: skip
    counts = answer.counts
    return _counted(
        counts.records_accepted, counts.records_rejected, counts.records_warned, trial=trial
    )


def row_headline(row: Mapping[str, Any]) -> Headline:
    """The same of a row of ``uploads``, in fewer words; ``status`` may be ``waiting``."""
    status = row["status"]
    if status == "waiting":
        return Headline("note", "檢核中", "being checked")
    if status == "failed":
        return Headline("warn", "系統處理中", "delayed on our side")
    if status == "refused":
        code = row["refusal_code"] or ""
        return Headline("bad", f"整批退件 {code}", f"refused {code}")
    if status == "held":
        return Headline("warn", "待確認（大量刪除）", "held: many deletes")
    if status == "dropped":
        return Headline("bad", "已作廢", "dropped")
    rejected, warned = row["records_rejected"], row["records_warned"]
    if rejected:
        return Headline("bad", f"退件 {rejected:,} 筆", f"{rejected:,} rejected")
    if warned:
        return Headline("warn", f"全部收下，提示 {warned:,} 筆", f"all taken, {warned:,} warned")
    return Headline("good", "檢核無誤", "no errors")


def _counted(taken: int, rejected: int, warned: int, *, trial: bool) -> Headline:
    zh, en = ("合格", "would be taken") if trial else ("收下", "taken")
    if rejected:
        warned_zh = f"，其中 {warned:,} 筆有提示" if warned else ""
        warned_en = f" ({warned:,} with a warning)" if warned else ""
        return Headline(
            "bad",
            f"{zh} {taken:,} 筆{warned_zh}，退件 {rejected:,} 筆",
            f"{_records(taken)} {en}{warned_en}, {rejected:,} rejected",
            *(_MEND_AND_TRY if trial else _MEND_AND_SEND),
        )
    if warned:
        return Headline(
            "warn",
            f"全部{zh}：{taken:,} 筆，其中 {warned:,} 筆有提示",
            f"{_all(taken).capitalize()} {en}, {warned:,} of them with a warning",
            "提示不影響收件；請看看是否需要更正。",
            "A warning doesn't keep a record out; see whether it needs correcting.",
        )
    return Headline(
        "good",
        f"檢核無誤：{taken:,} 筆全部{zh}",
        f"No errors: {_all(taken)} {en}",
        "不需要再做什麼。" if not trial else "可以正式上傳了。",
        "Nothing more to do." if not trial else "It is ready to be sent.",
    )


def _all(count: int) -> str:
    return _records(count) if count == 1 else f"all {_records(count)}"


def _records(count: int) -> str:
    return f"{count:,} record" + ("" if count == 1 else "s")
