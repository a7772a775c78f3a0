"""A line at the head of the next page: what the last form did.

The cookie names one of the texts known here, so nothing that anybody writes into it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from starlette.requests import Request
from starlette.responses import Response

COOKIE: Final = "notice"
_SECONDS: Final = 60


@dataclass(frozen=True)
class Notice:
    """What happened, and whether it is good news."""

    zh: str
    en: str
    kind: Literal["good", "note", "bad"] = "good"


NOTICES: Final = {
    "signed-out": Notice("您已登出。", "You are signed out."),
    "password-changed": Notice("密碼已變更。", "Your password has been changed."),
    "key-revoked": Notice(
        "金鑰已撤銷，使用它的程式從現在起無法上傳。",
        "The key is revoked; programs that use it can't send from now on.",
    ),
    "sessions-ended": Notice("其他裝置都已登出。", "All other devices are signed out."),
    "files-received": Notice(
        "檔案都已收到，正在檢核；結果會出現在下面。",
        "All files have arrived and are being checked; the results appear below.",
    ),
    "reopened": Notice(
        "已重新開放下載。", "The downloads of this upload are available again."
    ),
    "released": Notice("已放行，將以新的順序合併。", "Released; it will be merged now."),
    "decided-before": Notice(
        "這批上傳先前已有決定，沒有改變。", "It had been decided before; nothing changed.", "note"
    ),
    "dropped": Notice("已作廢，這批資料不會收下。", "Dropped; nothing of it is taken."),
}  # fmt: skip


def leave_notice(request: Request, response: Response, name: str) -> None:
    """Have the next page begin with a notice. Raises ``KeyError`` if there is none of the name."""
    NOTICES[name]
    response.set_cookie(
        COOKIE, name, _SECONDS, path="/", httponly=True, samesite="lax",
        secure=request.url.scheme == "https",
    )  # fmt: skip


def take_notice(request: Request) -> Notice | None:
    """What the form before left to say."""
    return NOTICES.get(request.cookies.get(COOKIE, ""))
