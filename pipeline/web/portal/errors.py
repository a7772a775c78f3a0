"""What went wrong, as a page that looks like the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from pipeline.web.house import house_of
from pipeline.web.identity import optional_session
from pipeline.web.portal.page import page
from pipeline.web.problems import Problem
from pipeline.web.requests import request_id_of


@dataclass(frozen=True)
class _Words:
    zh: str
    en: str
    todo_zh: str
    todo_en: str


_NOTHING_SENT: Final = _Words(
    "沒有收到完整的內容", "What was sent did not arrive whole",
    "請回上一頁再送一次。", "Go back and send it once more.",
)  # fmt: skip
_WORDS: Final = {
    400: _NOTHING_SENT,
    403: _Words(
        "這個動作沒有完成", "That was not done",
        "頁面可能開得太久，或您的權限不包括這個動作。請回上一頁重新整理後再試一次。",
        "The page may have been open too long, or your role does not allow this. "
        "Go back, reload the page and try again.",
    ),
    404: _Words(
        "找不到這一頁", "Page not found",
        "網址可能打錯，或這筆資料不屬於您的院所。請從上方選單重新查詢。",
        "The address may be mistyped, or this is not your institution's. "
        "Start again from the menu above.",
    ),
    405: _Words(
        "這一頁不能這樣開啟", "This page can't be opened like that",
        "請從上方選單重新進入。", "Start again from the menu above.",
    ),
    408: _NOTHING_SENT,
    410: _Words(
        "下載期限已過", "The download has ended",
        "請回到該次上傳的頁面，按「申請重新下載」。",
        "Go back to the upload's page and ask for the download again.",
    ),
    413: _Words(
        "檔案太大", "The file is too large",
        "請把資料分成幾個較小的檔案再上傳。", "Split it into smaller files and send them again.",
    ),
    429: _Words(
        "動作太頻繁", "Too many requests",
        "請稍候一分鐘再試。已經送出的檔案不受影響。",
        "Wait a minute and try again. Files already sent are not affected.",
    ),
    500: _Words(
        "系統發生錯誤", "Something went wrong on our side",
        "這不是您的問題，我們已經記錄下來。請稍後再試；若已送出檔案，請先到上傳結果確認是否已收到。",
        "It is not your fault and has been recorded. Try again later; if you were sending a file, "
        "look at your uploads first to see whether it arrived.",
    ),
    503: _Words(
        "系統暫時無法收件", "The service can't take files right now",
        "請過幾分鐘再試。沒有看到上傳編號的檔案，請屆時重新上傳。",
        "Try again in a few minutes. A file for which you saw no upload id must be sent again.",
    ),
}  # fmt: skip


async def error_page(request: Request, problem: Problem) -> Response:
    """The page of a problem; one we have no words for is told by the problem's own."""
    if not hasattr(request.state, "session"):
        await run_in_threadpool(optional_session, request, house_of(request))
    kind = problem.kind
    own = _Words(kind.title_zh, kind.title, problem.detail_zh, problem.detail)
    return page(
        request,
        "error.html.j2",
        status=kind.status,
        headers=problem.headers,
        words=_WORDS.get(kind.status, own),
        request_id=request_id_of(request.scope) if kind.status >= 500 else "",
    )
