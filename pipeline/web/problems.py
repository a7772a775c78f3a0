"""What went wrong with a request: RFC 9457 documents for programs, the same words for pages.

Raised as ``Problem``; ``pipeline.web.app`` answers with it. ``type`` is a path of ours that
explains it (``/problems/NAME``). No document ever holds a value of the request.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

PROBLEM_JSON: Final = "application/problem+json"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True)
class Kind:
    """A kind of problem: its status, what it is, and what to do about it."""

    name: str
    status: int
    title_zh: str
    title: str
    advice_zh: str
    advice: str

    @property
    def type(self) -> str:
        """The path of the page that explains it."""
        return f"/problems/{self.name}"


KINDS: Final = {
    kind.name: kind
    for kind in (
        Kind("bad-request", 400, "請求不正確", "The request is wrong",
             "請依說明修正後再送。", "Mend it as the detail says, then send it again."),
        Kind("sign-in-needed", 401, "需要憑證", "A credential is needed",
             "請以 Authorization: Bearer 帶入有效的 API 金鑰；金鑰可在「帳號」頁建立。",
             "Send a valid API key as Authorization: Bearer; the account page makes keys."),
        Kind("not-allowed", 403, "不允許", "Not allowed",
             "請回到頁面重新操作；仍不行請洽管理者。",
             "Go back to the page and try again; if that fails ask whoever runs the service."),
        Kind("not-found", 404, "找不到", "Not found",
             "請確認網址或編號；不屬於您的資料也會顯示為找不到。",
             "Check the address or id; what isn't yours is answered as not found, too."),
        Kind("method-not-allowed", 405, "方法不適用", "Method not allowed",
             "請改用 Allow 標頭所列的方法。", "Use a method that the header Allow names."),
        Kind("too-slow", 408, "傳送太慢", "Sending took too long",
             "請檢查網路後重送；可以 gzip 壓縮縮短時間。",
             "Check the network and send again; gzip makes it shorter."),
        Kind("not-ready", 409, "尚未檢核完成", "Not checked yet",
             "請等候 Retry-After 所示秒數後再試。", "Try again after Retry-After seconds."),
        Kind("download-ended", 410, "下載期限已過", "The download has ended",
             "請先申請重新開放下載（POST …/request），再下載一次。",
             "Ask for it again first (POST …/request), then download."),
        Kind("too-large", 413, "上傳檔過大", "The upload is too large",
             "請分成數個較小的上傳檔。", "Split it into several smaller uploads."),
        Kind("unsupported-media", 415, "不支援的內容格式", "Content that isn't taken",
             "請直接以 XML 作為內容，或以 gzip 壓縮（Content-Encoding: gzip）。",
             "Send the XML itself as the body, plain or as Content-Encoding: gzip."),
        Kind("wrong-host", 421, "主機名稱不符", "A host name that isn't ours",
             "請使用本服務公布的網址。", "Use the address under which the service is published."),
        Kind("invalid-request", 422, "參數不正確", "Parameters are wrong",
             "請依 errors 所列逐項修正。", "Mend what errors lists."),
        Kind("key-reused", 422, "Idempotency-Key 已用於其他內容",
             "The Idempotency-Key was used for something else",
             "新的上傳請用新的 Idempotency-Key。", "Use a new Idempotency-Key for a new upload."),
        Kind("weak-password", 422, "密碼強度不足", "The password is too weak",
             "請改用較長、不易猜的密碼，或不填由系統產生。",
             "Choose a longer one that can't be guessed, or none, and one is made for you."),
        Kind("too-many-requests", 429, "請求過於頻繁", "Too many requests",
             "請等候 Retry-After 所示秒數後再送。", "Wait for the seconds in Retry-After."),
        Kind("our-fault", 500, "系統錯誤", "A fault of ours",
             "不是您的問題；請稍後再試，仍不行請附上 request_id 通知管理者。",
             "It isn't you. Try later; if it stays, tell the operator the request_id."),
        Kind("closed", 503, "暫停收件", "Not taking requests at the moment",
             "請等候 Retry-After 所示秒數後重送；以相同的 Idempotency-Key 重送不會重複。",
             "Send again after Retry-After seconds; the same Idempotency-Key makes no double."),
    )
}  # fmt: skip

_OF_STATUS: Final = {
    400: "bad-request", 401: "sign-in-needed", 403: "not-allowed", 404: "not-found",
    405: "method-not-allowed", 408: "too-slow", 409: "not-ready", 410: "download-ended",
    413: "too-large", 415: "unsupported-media", 421: "wrong-host", 422: "invalid-request",
    429: "too-many-requests", 500: "our-fault", 503: "closed",
}  # fmt: skip


class Problem(HTTPException):
    """A request that can't be answered as asked.

    ``detail_zh``/``detail`` say what is wrong this time (empty: the kind's advice); ``extra``
    are further members of the document, ``headers`` of the answer.
    """

    def __init__(
        self,
        name: str,
        detail_zh: str = "",
        detail: str = "",
        *,
        headers: Mapping[str, str] = _NOTHING,
        extra: Mapping[str, object] = _NOTHING,
    ) -> None:
        self.kind = KINDS[name]
        super().__init__(self.kind.status, detail or self.kind.advice, dict(headers))
        self.detail_zh = detail_zh or self.kind.advice_zh
        self.extra = extra


def problem_of_status(status: int, headers: Mapping[str, str] | None = None) -> Problem:
    """The plain problem of a status; an unknown one below 500 is a bad request."""
    name = _OF_STATUS.get(status, "our-fault" if status >= 500 else "bad-request")
    return Problem(name, headers=headers or _NOTHING)


def not_found() -> Problem:
    """What is not there, and what belongs to others: the same in every byte."""
    return Problem("not-found")


def document(problem: Problem, request_id: str) -> dict[str, object]:
    """The RFC 9457 document of a problem."""
    kind = problem.kind
    return {
        "type": kind.type,
        "title": kind.title,
        "title_zh": kind.title_zh,
        "status": kind.status,
        "detail": problem.detail,
        "detail_zh": problem.detail_zh,
        "request_id": request_id,
        **problem.extra,
    }


def problem_response(problem: Problem, request_id: str) -> Response:
    """A problem as ``application/problem+json``."""
    return Response(
        orjson.dumps(document(problem, request_id)),
        problem.kind.status,
        dict(problem.headers or {}),
        PROBLEM_JSON,
    )
