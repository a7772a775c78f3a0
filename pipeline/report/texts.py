"""What a finding or a refusal says, in 繁體中文 and English, from the plan's rules."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pipeline.outcome import Refusal, Standing
from pipeline.report.answer import Finding
from pipeline.report.masking import without_ids
from pipeline.report.printable import shortened
from rules.codes import error_codes
from rules.plan import Plan, PlannedRule
from schemas import every_field


@dataclass(frozen=True)
class Text:
    """What is wrong and what to do, in both languages."""

    message_zh: str
    message_en: str
    remedy_zh: str
    remedy_en: str


def rule_text(plan: Plan, rule: str, code: str) -> Text:
    """The text of a rule; what its code means where this plan no longer has the rule."""
    index = plan.by_id.get(rule)
    if index is not None:
        return _said_by(plan.rules[index])
    return Text(*code_meaning(plan, code), "", "")


def finding_text(plan: Plan, finding: Finding) -> Text:
    """The text of a finding's rule, with the version that stands where it tells of one."""
    text = rule_text(plan, finding.rule, finding.code)
    if finding.stands is None:
        return text
    zh, en = standing_text(finding.stands)
    return replace(
        text, message_zh=f"{text.message_zh}：{zh}", message_en=f"{text.message_en}: {en}"
    )


def code_meaning(plan: Plan, code: str) -> tuple[str, str]:
    """What a code means wherever it is reported: the insurer's words, or for ours the rule's."""
    known = error_codes().get(code)
    if known is not None:
        return known.meaning_zh, known.meaning_en
    for index in plan.by_code.get(code, ()):
        return plan.rules[index].summary_zh, plan.rules[index].summary_en
    return f"錯誤代碼 {code}", f"error code {code}"


def _said_by(rule: PlannedRule) -> Text:
    return Text(rule.summary_zh, rule.summary_en, rule.remedy_zh, rule.remedy_en)


def refusal_text(plan: Plan, refusal: Refusal) -> Text:
    """The text of a refusal, with what stood there."""
    refusing = [plan.rules[i] for i in plan.by_code.get(refusal.code, ())]
    text = next(
        (_said_by(rule) for rule in refusing if rule.severity == "refuse"),
        Text(*code_meaning(plan, refusal.code), "", ""),
    )
    detail_zh, detail_en = _fit_to_tell(refusal.detail_zh), _fit_to_tell(refusal.detail_en)
    return Text(
        text.message_zh + (f"：{detail_zh}" if detail_zh else ""),
        text.message_en + (f": {detail_en}" if detail_en else ""),
        text.remedy_zh,
        text.remedy_en,
    )


def standing_text(stands: Standing) -> tuple[str, str]:
    """Which version stands after a correction was rejected."""
    return (
        f"先前上傳的紀錄（上傳編號 {stands.upload_id}，第 {stands.record} 筆）仍然有效",
        f"the version uploaded before (upload {stands.upload_id}, record {stands.record}) stands",
    )


_HELD = Text(
    "這批上傳暫緩處理，尚未收下任何一筆："
    "其中的刪除（H01=D）達同一就醫月份有效紀錄的三成以上且超過 20 筆",
    "This upload is held and nothing of it has been taken yet: its deletes (H01=D) are 30 % or "
    "more of the live records of one visit month, and more than 20",
    "不必重送；保險人確認後整批處理或作廢，屆時請再取回條。若非有意大量刪除，請告知保險人作廢",
    "Don't send it again: the insurer confirms it, and then it is processed or dropped as a "
    "whole; ask for its receipt then. If so many deletes were not meant, tell the insurer",
)
_DROPPED = Text(
    "這批上傳因大量刪除暫緩處理後已作廢，沒有收下任何一筆",
    "This upload was held for its many deletes and then dropped; nothing of it was taken",
    "先前的紀錄都仍然有效；仍需更正或刪除的，請重新上傳",
    "All earlier records stand; upload again what is still to be corrected or deleted",
)


def held_text(status: str) -> Text:
    """What is said of an upload that is ``held``, or was and is ``dropped``."""
    return _DROPPED if status == "dropped" else _HELD


def _fit_to_tell(detail: str) -> str:
    """What stood there is the sender's own text, of any length."""
    return shortened(without_ids(detail))


def field_name(field: str) -> tuple[str, str]:
    """A field's name in both languages; empty for elements that are no field."""
    known = every_field().get(field)
    if known is None:
        return _ELEMENT_NAMES.get(field, ("", ""))
    return known.name_zh, known.name_en.replace("_", " ")


_ELEMENT_NAMES = {
    "MSH": ("表頭段", "header segment"),
    "MB": ("資料段", "body segment"),
    "MB1": ("就醫資料段", "visit segment"),
    "MB2": ("醫令段", "order segment"),
    "REC": ("資料筆", "record"),
}
