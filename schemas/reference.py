"""The reference tables: what they are called, which columns they have, who keeps them.

Every table comes as CSV with its key columns, ``from`` and ``until`` (half open; ROC ``yyyMMdd`` or
ISO ``yyyy-mm-dd``; blank is unbounded) and its value columns. Periods of one key never overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, field

FROM, UNTIL = "from", "until"

_INSTITUTION = "[0-9A-Z]{10}"
_PERSON = "[A-Z][0-9A-Z][0-9]{8}"
_ORDER_CODE = "[0-9A-Z-]{1,12}"


@dataclass(frozen=True)
class Column:
    """A key column (``shape``: what a whole value must match) or a value column (``codes``: the
    number each text stands for; a blank is unknown)."""

    name: str
    zh: str
    shape: str = ""
    codes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReferenceTable:
    """One table. ``lasts_days``: how long a row is valid whose ``until`` is blank (else for good).

    ``networks``: the last key is an IP address and a row may name a whole network.
    """

    name: str
    keys: tuple[Column, ...]
    zh: str
    en: str
    authority: str
    values: tuple[Column, ...] = ()
    lasts_days: int | None = None
    networks: bool = False

    @property
    def header(self) -> tuple[str, ...]:
        """The columns of its CSV."""
        names = [column.name for column in self.keys]
        return (*names, FROM, UNTIL, *(column.name for column in self.values))


_AT = Column("institution", "醫事機構代碼", _INSTITUTION)
_SEX = Column("sex", "限性別（1 男、2 女）", codes={"1": 1, "2": 2})
_KIND = Column("kind", "特約類別（5 藥局、8 助產所）", codes={c: int(c, 16) for c in "123456789AB"})
_WORKING = Column("working", "0 放假、1 補班", codes={"0": 0, "1": 1})


def _order_codes(name: str, zh: str, en: str, authority: str) -> ReferenceTable:
    return ReferenceTable(name, (Column("code", "醫令代碼", _ORDER_CODE),), zh, en, authority)


TABLES: tuple[ReferenceTable, ...] = (
    ReferenceTable(
        "institutions", (_AT,), "特約醫事機構與特約期間", "institutions and their contract periods",
        "健保署 特約醫事機構名冊", (_KIND,),
    ),
    ReferenceTable(
        "institution_addresses", (_AT, Column("address", "IP 位址或網段", "[0-9A-Fa-f.:/]+")),
        "院所登記的上傳 IP", "addresses an institution may upload from", "健保署 VPN 登記資料",
        networks=True,
    ),
    ReferenceTable(
        "institution_plans", (_AT, Column("plan", "試辦計畫代碼", "[0-9A-Z]{2}")),
        "院所參加的試辦計畫（VC、HU、PB…）", "plans an institution takes part in (VC, HU, PB …)",
        "健保署 VPN 試辦計畫; document 003, 20-22",
    ),
    ReferenceTable(
        "go_live", (_AT,), "院所改採 2.0 正式上傳之日", "day an institution is cleared for 2.0",
        "健保署 2.0 改版名單; document 001 改版流程",
    ),
    ReferenceTable(
        "correctional_institutions",
        (_AT, Column("code", "矯正機關代碼", _ORDER_CODE)),
        "承作矯正機關的院所", "which institution serves which correctional institution",
        "健保署 矯正機關承作名單",
    ),
    ReferenceTable(
        "practitioners", (Column("person", "身分證號", _PERSON),),
        "醫事人員與執業登錄期間", "practitioners and their periods of registration",
        "健保署 醫事人員檔",
    ),
    ReferenceTable(
        "replacement_receipts", (Column("person", "身分證號", _PERSON),),
        "換補發健保卡的繳費收據（自繳費日起 14 日）",
        "receipts for a replacement card, good for 14 days",
        "健保署 製卡檔; document 004, 30", lasts_days=14,
    ),
    _order_codes("drugs", "健保用藥品項", "drugs", "健保署 藥品給付檔"),
    _order_codes("fee_items", "支付標準", "fee schedule", "健保署 支付標準檔"),
    _order_codes("materials", "特殊材料", "special materials", "健保署 特材檔"),
    _order_codes("virtual_orders", "虛擬醫令", "virtual orders", "健保署 虛擬醫令檔"),
    _order_codes("deliveries", "生產醫令", "delivery orders", "健保署 支付標準檔"),
    _order_codes("influenza_vaccines", "流感疫苗", "influenza vaccines", "疾管署 公費疫苗品項"),
    ReferenceTable(
        "beds", (_AT, Column("bed", "病床號", "[0-9A-Z-]{1,10}")), "院所病床號",
        "beds of institutions", "健保署 病床檔",
    ),
    ReferenceTable(
        "diagnoses", (Column("code", "診斷碼", "[A-Z][0-9A-Z]{2,6}"),),
        "ICD-10-CM 診斷碼，依版本", "diagnoses by edition of ICD-10-CM",
        "健保署 ICD-10-CM/PCS 參考檔", (_SEX,),
    ),
    ReferenceTable(
        "abnormal_sequences", (Column("code", "異常就醫序號", "[0-9A-Z]{4}"),),
        "異常就醫序號", "abnormal visit sequences", "健保署 上傳格式說明",
    ),
    ReferenceTable(
        "designated_areas", (Column("code", "指定區域編號", "[0-9A-Z-]{1,20}"),),
        "指定區域編號", "designated areas", "健保署 上傳格式說明",
    ),
    ReferenceTable(
        "holidays", (), "放假日與補班日", "days off and make-up workdays",
        "行政院人事行政總處 政府行政機關辦公日曆表", (_WORKING,), lasts_days=1,
    ),
)  # fmt: skip

REFERENCE_TABLES: dict[str, ReferenceTable] = {table.name: table for table in TABLES}
HOLIDAYS = "holidays"
