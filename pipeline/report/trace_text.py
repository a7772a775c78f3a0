"""A trace on a screen: what stands, then every version with its findings and its XML."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.console import Console
from rich.text import Text

from pipeline.lineage.visit import Order, Row, Searched, Trace, Version
from pipeline.report.answer import Finding
from pipeline.report.masking import masked, without_ids
from pipeline.report.printable import printable
from pipeline.report.record_xml import record_xml, screen_lines
from pipeline.report.texts import field_name, rule_text, standing_text
from pipeline.taipei import TAIPEI
from rules.plan import Plan

_OUTCOMES: Final = {
    "put": ("green", "收下 taken"),
    "delete": ("magenta", "刪除 delete"),
    "cancel": ("cyan", "取消未調劑 cancel of undispensed refills"),
    "uncancel": ("cyan", "復原取消 undo of a cancel"),
    "rejected": ("red", "退件 rejected"),
    "held": ("yellow", "暫緩 held, not taken yet"),
    "dropped": ("red", "作廢 dropped, never taken"),
    "refused": ("bold red", "整批退件 upload refused"),
}
_ENDED: Final = {"put": "取代 replaced", "delete": "刪除 deleted"}
_MODES: Final = {"official": "正式 official", "precheck": "預檢 pre-check"}
_SEVERITIES: Final = {"reject": ("red", "✗"), "warn": ("yellow", "!")}
_STATUSES: Final = {
    "open": "未調劑 open", "dispensed": "已調劑 dispensed", "cancelled": "已取消 cancelled",
}  # fmt: skip
_ORDER_FIELDS: Final = ("D01", "D03", "D04", "D06", "D07", "D09", "D10")
_VALUE_CHARACTERS: Final = 40


class TraceScreen:
    """Prints traces with the texts of a plan; ids and signatures only where ``clear``."""

    def __init__(self, console: Console, plan: Plan, *, clear: bool, xml: bool) -> None:
        self._console = console
        self._plan = plan
        self._clear = clear
        self._xml = xml

    def show(self, trace: Trace) -> None:
        """Print all of a trace."""
        shown = self._shown("M15", trace.visit.treatment_id)
        self._say(f"就醫識別碼 treatment id {shown}  {_MODES[trace.mode]}", "bold")
        self._say(_now(trace))
        for index, version in enumerate(trace.versions):
            self._version(trace, index, version)
        self._orders(trace)
        self._ledger(trace)
        for line in _told_of_search(trace.searched):
            self._say(line, "dim")

    def _version(self, trace: Trace, index: int, version: Version) -> None:
        style, outcome = _OUTCOMES[version.outcome]
        words = [outcome]
        if version.outcome == "put" and version.verdict == "warned":
            words.append("（有提示 with warnings）")
        if version.stands:
            words.append("← 現在有效 stands now")
        if version.ended_by is not None:
            how = _ENDED[trace.versions[version.ended_by].outcome]
            words.append(f"→ 由第 {version.ended_by + 1} 版{how} by version {version.ended_by + 1}")
        upload = version.upload
        if trace.asked == (upload["upload_id"], version.record):
            words.append("← 所查的一筆 the one asked for")
        self._console.print()
        self._say(f"{index + 1}. {' '.join(words)}", style)
        received = upload["received_at"].astimezone(TAIPEI)
        self._say(
            f"   {received:%Y-%m-%d %H:%M:%S}  {self._name(upload)}  {upload['channel']}"
            f"  機構 institution {upload['institution'] or '—'}"
        )
        record = f"第 {version.record} 筆 record {version.record}" if version.record else "—"
        place = version.place
        self._say(
            f"   上傳 upload {upload['upload_id']}（序 sequence {upload['sequence']}）{record}"
            f"  位元組 bytes {place.offset}+{place.length}"
        )
        for finding in version.findings:
            self._finding(finding)
        if self._xml and version.xml:
            for line in screen_lines(record_xml(version.xml, clear=self._clear)):
                self._say(f"   │ {line}", "dim")

    def _finding(self, finding: Finding) -> None:
        style, mark = _SEVERITIES[finding.severity]
        text = rule_text(self._plan, finding.rule, finding.code)
        order = "" if finding.order is None else f"醫令 order {finding.order} "
        field = printable(without_ids(finding.field), _VALUE_CHARACTERS)
        value = self._shown(finding.field, finding.value)
        shown = "" if value is None else f"「{printable(value, _VALUE_CHARACTERS)}」"
        self._say(
            f"   {mark} {finding.code} {order}{field} {field_name(finding.field)[0]} {shown}"
            f"  位元組 bytes {finding.offset}+{finding.length}",
            style,
        )
        self._say(f"     {text.message_zh} {text.message_en}")
        if finding.stands is not None:
            self._say("     " + " ".join(standing_text(finding.stands)))

    def _orders(self, trace: Trace) -> None:
        if trace.orders:
            self._console.print()
            self._say("有效版本的醫令 orders of the version that stands", "bold")
        for order in trace.orders:
            self._say(self._order(order))

    def _order(self, order: Order) -> str:
        fields = (
            f"{name} {printable(self._shown(name, order.row[name]), _VALUE_CHARACTERS)}"
            for name in _ORDER_FIELDS
            if order.row[name]
        )
        place = order.place
        number = order.row["order_no"]
        return f"   {number:>3}  {'  '.join(fields)}  位元組 bytes {place.offset}+{place.length}"

    def _ledger(self, trace: Trace) -> None:
        if trace.prescriptions:
            self._console.print()
            self._say("處方帳 prescriptions", "bold")
        for row in trace.prescriptions:
            self._say(f"   {self._refill(trace, row)}")

    def _refill(self, trace: Trace, row: Row) -> str:
        made_by = trace.made_by.get(row["sequence"])
        words = [
            self._shown("M16", row["prescription_id"]),
            f"{row['kind']} {row['refill']}",
            _STATUSES[row["status"]],
        ]
        if row["by_institution"]:
            by = self._shown("M15", row["by_treatment_id"])
            words.append(f"由 by {row['by_institution']} {by}")
        if row["institution"] is None:
            words.append("開立者未知 no issuer yet")
        if made_by:
            words.append(f"上傳 upload {made_by['upload_id']}")
        return "  ".join(words)

    def _name(self, upload: Row) -> str:
        name = upload["name"] or ""
        return printable(name if self._clear else without_ids(name)) or "—"

    def _shown(self, field: str, value: str | None) -> str:
        shown = value if self._clear else masked(field, value)
        return shown or "—"

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style), soft_wrap=True)


def _now(trace: Trace) -> str:
    standing = trace.standing
    if standing is not None:
        upload, record = standing.upload["upload_id"], standing.record
        return f"現況 now：有效 stands，上傳 upload {upload} 第 {record} 筆 record {record}"
    if any(version.outcome == "put" for version in trace.versions):
        return "現況 now：已刪除 deleted"
    return "現況 now：沒有收下過 never taken"


def _told_of_search(searched: Searched | None) -> Iterator[str]:
    """How complete the list of what was not taken is."""
    if searched is None:
        return
    yield ""
    if not searched.institutions:
        yield (
            "未收下的紀錄：不知是哪一家院所，只列出 M15 有錯誤的；請以 --institution 指定。"
            "What was not taken: the institution is not known, so only findings on M15 tell of it; "
            "name it with --institution."
        )
        return
    of = f"{searched.looked_in:,}/{searched.uploads:,}"
    who = "、".join(searched.institutions[:3])
    guess = (
        "（由相似的就醫識別碼推得 guessed from ids that begin alike）" if searched.guessed else ""
    )
    yield (
        f"未收下的紀錄：已查 {who}{guess} 未全數收下的上傳 {of} 個。"
        f"What was not taken was searched for in {of} uploads that were not taken whole."
    )
    if not searched.complete:
        yield "其餘未查，請加大 --most-uploads。The rest was not searched; raise --most-uploads."
    yield (
        "其他院所被退的紀錄，只列出 M15 有錯誤的。"
        "Of other institutions' rejected records only those with a finding on M15 are known."
    )
