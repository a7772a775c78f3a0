"""What the tables' own values are called on pages: (繁體中文, English)."""

from __future__ import annotations

from typing import Final

MODES: Final = {
    "official": ("正式上傳", "Official"),
    "precheck": ("預檢", "Pre-check"),
}
SHORT_CHANNELS: Final = {"web-api": "Web-API", "vpn": "VPN"}
OUTCOMES: Final = {
    "put": ("收下", "Taken"),
    "delete": ("刪除", "Deleted the visit"),
    "cancel": ("取消未調劑的調劑次", "Cancelled the undispensed refills"),
    "uncancel": ("復原已取消的調劑次", "Undid a cancellation of refills"),
    "rejected": ("退件，沒有收下", "Rejected, not taken"),
    "held": ("暫緩，尚未收下", "Held, not taken yet"),
    "dropped": ("作廢，沒有收下", "Dropped, never taken"),
    "refused": ("整批退件，沒有收下", "Upload refused, not taken"),
}
REFILLS: Final = {
    "open": ("未調劑", "open"),
    "dispensed": ("已調劑", "dispensed"),
    "cancelled": ("已取消", "cancelled"),
}
