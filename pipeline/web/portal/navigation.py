"""What the navigation offers, by role."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pipeline.accounts.who import Who


@dataclass(frozen=True)
class Link:
    """A part of the portal: everything at and below ``href``."""

    href: str
    zh: str
    en: str


_CODES: Final = Link("/codes", "錯誤代碼", "Error codes")
_HELP: Final = Link("/help", "使用說明", "Help")
_CLINIC: Final = (
    Link("/uploads", "上傳結果", "Uploads"),
    Link("/send", "上傳資料", "Send"),
    Link("/try", "試檢", "Try out"),
    Link("/precheck", "預檢比對", "Pre-check"),
    Link("/visits", "就醫紀錄", "Visit history"),
    _CODES,
    _HELP,
)
_INSURER: Final = (
    Link("/insurer/institutions", "院所", "Institutions"),
    Link("/insurer/search", "查詢", "Search"),
    Link("/insurer/held", "暫緩上傳", "Held"),
    Link("/insurer/health", "系統狀況", "Health"),
    _CODES,
    _HELP,
)
_AUDIT: Final = Link("/insurer/audit", "稽核紀錄", "Audit log")


def links_for(who: Who | None) -> tuple[Link, ...]:
    """The parts of the portal that somebody may use, ``None`` for who isn't signed in."""
    if who is None:
        return (_CODES, _HELP)
    if who.role == "auditor":
        return (*_INSURER[:4], _AUDIT, *_INSURER[4:])
    return _INSURER if who.of_insurer else _CLINIC


def home_of(who: Who) -> str:
    """The page after signing in."""
    return "/insurer" if who.of_insurer else "/uploads"
