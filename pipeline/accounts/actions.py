"""What the audit log records, and how that is said.

Document 000, Article 16: the insurer's systems need strict security with set procedures put into
practice (1), and uploaded data, as sent and as processed, are protected such that nobody without
leave comes to them, and the insurer's own people touch and use them only with leave (3). So there
is a row for who was let in and who was not, for every look at what names a person, for what left
the system, for decisions on uploads, and for every change of what somebody may do.
"""

from __future__ import annotations

import re
from typing import Final

ACTIONS: Final[dict[str, tuple[str, str]]] = {
    "sign-in": ("登入", "signed in"),
    "sign-in.refused": ("登入失敗", "sign-in refused"),
    "sign-in.identity": ("以機關帳號登入", "signed in at the insurer's provider"),
    "sign-out": ("登出", "signed out"),
    "session.ended": ("結束其他登入", "ended another session"),
    "password.changed": ("變更密碼", "changed the password"),
    "password.refused": ("變更密碼失敗：原密碼不正確", "change refused: the old password is wrong"),
    "password.set": ("由管理者重設密碼", "password set by the operator"),
    "account.created": ("建立帳號", "account created"),
    "account.disabled": ("停用帳號", "account disabled"),
    "account.enabled": ("啟用帳號", "account enabled"),
    "identity.linked": ("連結機關帳號", "identity linked"),
    "identity.unlinked": ("取消連結機關帳號", "identity unlinked"),
    "key.created": ("建立 API 金鑰", "API key created"),
    "key.revoked": ("撤銷 API 金鑰", "API key revoked"),
    "key.withdrawn": ("API 金鑰不再代表本機構", "institution withdrawn from an API key"),
    "binding.made": ("綁定憑證或網段", "certificate or network bound"),
    "binding.removed": ("解除綁定", "binding removed"),
    "download": ("下載", "downloaded"),
    "download.reopened": ("再開放下載", "download made available again"),
    "upload.seen": ("查看上傳結果", "looked at an upload"),
    "record.seen": ("查看一筆資料", "looked at a record"),
    "history.seen": ("查看就醫歷程", "looked at the history of a visit"),
    "report.seen": ("查看比對報告", "looked at a comparison report"),
    "search": ("查詢", "searched"),
    "held.released": ("放行暫緩的上傳", "released a held upload"),
    "held.dropped": ("作廢暫緩的上傳", "dropped a held upload"),
    "audit.seen": ("查看稽核紀錄", "looked at the audit log"),
}

_FORM = re.compile(r"[a-z]+(?:[.-][a-z]+)*")


def is_action(name: str) -> bool:
    """Whether a name has the form of an action: what, a dot, and what became of it."""
    return len(name) <= 40 and _FORM.fullmatch(name) is not None


def action_words(name: str) -> tuple[str, str]:
    """An action in 繁體中文 and English; one without words is called by its name."""
    return ACTIONS.get(name, (name, name))
