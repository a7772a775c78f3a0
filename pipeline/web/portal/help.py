"""How to send, how to read what comes back, what the formats mean: one page, for anybody."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.web.house import HouseOf
from pipeline.web.portal.page import page

router = APIRouter(include_in_schema=False)
_BYTES_PER_MIB: Final = 1024 * 1024

_FORMATS: Final = (
    (
        "A",
        ("正常上傳", "Normal"),
        ("新增一筆就醫資料；同一就醫識別碼（M15）再傳一次就是更正。",
         "Adds a visit; sending the same treatment id (M15) again corrects it."),
    ),
    (
        "B",
        ("異常上傳", "Abnormal"),
        ("沒有健保卡或讀卡失敗時的就醫資料；其餘同 A。",
         "A visit without a card, or whose card could not be read; otherwise like A."),
    ),
    (
        "C",
        ("註銷未調劑慢連箋處方", "Cancel undispensed refills"),
        ("把自己開立、還沒調劑的慢性病連續處方箋各次註銷；已調劑的不受影響。",
         "Cancels the refills that you prescribed and nobody has dispensed yet."),
    ),
    (
        "D",
        ("整筆刪除", "Delete"),
        ("刪除自己上傳的一筆就醫資料，醫令一併刪除。大量刪除會先暫緩，由保險人確認。",
         "Removes a visit of your own with its orders. Very many deletes wait for confirmation."),
    ),
    (
        "E",
        ("取消 C", "Undo C"),
        ("把已註銷而未調劑的各次恢復為可調劑。", "Makes refills cancelled by C open again."),
    ),
)  # fmt: skip


@router.get("/help")
def show_help(request: Request, house: HouseOf) -> Response:
    """The page, with the limits that this service really has."""
    limits = house.settings.limits
    return page(
        request,
        "help.html.j2",
        formats=_FORMATS,
        size_mib=limits.upload_bytes // _BYTES_PER_MIB,
        records=limits.records,
        days=house.settings.download_days,
        utf8=house.settings.allow_utf8,
    )
