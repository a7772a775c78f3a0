"""Downloads of an upload's answer, in clear for the institution that sent it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.web.api.asking import Asked, Nothing, each_once
from pipeline.web.api.said import answers, file_of, said
from pipeline.web.api.shapes import Reopened
from pipeline.web.api.uploads import UploadIdPath
from pipeline.web.api.writing import in_taipei, json_response
from pipeline.web.downloads import Download, EncryptedDownload, download, encrypted_download
from pipeline.web.house import HouseOf
from pipeline.web.identity import ApiWho

router = APIRouter(prefix="/api/v1/uploads/{upload_id}", tags=["downloads"],
                   dependencies=[Depends(each_once)])  # fmt: skip
_GONE = ("not-found", "not-ready", "download-ended")


class CsvAsked(Asked):
    """How the CSV is written."""

    encoding: Literal["utf-8", "big5"] = Field(
        "utf-8", description="編碼；UTF-8 有 BOM。UTF-8 has a BOM."
    )


class ZipAsked(BaseModel):
    """What goes into an AES zip, and what opens it."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["csv", "text"] = Field("csv", description="Error CSV, or the text receipt.")
    encoding: Literal["utf-8", "big5"] = Field("utf-8", description="Of the CSV.")
    password: str | None = Field(
        None,
        max_length=128,
        description="A strong one of your choice; without one it is made for you and told in "
        "`X-Zip-Password`, once.",
    )


@router.get(
    "/errors.csv",
    summary="錯誤明細 The error CSV",
    response_class=Response,
    responses=answers(
        200, file_of("每項錯誤一列。One row a finding, ids in clear.", "text/csv"), *_GONE
    ),
)
async def download_errors(
    house: HouseOf, who: ApiWho, upload_id: UploadIdPath, asked: Annotated[CsvAsked, Query()]
) -> Response:
    """下載錯誤明細。Cells that a spreadsheet could take for a formula are neutralised."""
    return _file(await run_in_threadpool(download, house, who, upload_id, "csv", asked.encoding))


@router.get(
    "/receipt.txt",
    summary="回條檔 The text receipt",
    response_class=Response,
    responses=answers(
        200, file_of("健保署格式，Big5。In the insurer's layout.", "text/plain"), *_GONE
    ),
)
async def download_receipt(
    house: HouseOf,
    who: ApiWho,
    upload_id: UploadIdPath,
    asked: Annotated[Nothing, Query()],  # noqa: ARG001  refuses what isn't known
) -> Response:
    """下載回條檔，格式同健保署下傳檔。Ids in clear."""
    return _file(await run_in_threadpool(download, house, who, upload_id, "text"))


@router.post(
    "/download",
    summary="加密下載 The same in an AES zip",
    response_class=Response,
    responses=answers(
        200,
        file_of(
            "WinZip AES-256 壓縮檔。An AES zip.",
            "application/zip",
            **{"X-Zip-Password": "What opens it, where you chose none. Told once, kept nowhere."},
        ),
        "bad-request",
        *_GONE,
        "weak-password",
    ),
)
async def download_zip(
    house: HouseOf,
    who: ApiWho,
    upload_id: UploadIdPath,
    asked: ZipAsked,
    query: Annotated[Nothing, Query()],  # noqa: ARG001  refuses what isn't known
) -> Response:
    """下載加密壓縮檔。The error CSV or the text receipt, encrypted."""
    made: EncryptedDownload = await run_in_threadpool(
        encrypted_download, house, who, upload_id, asked.format, asked.encoding, asked.password
    )
    answer = _file(Download(made.filename, made.media_type, made.data))
    if asked.password is None:
        answer.headers["X-Zip-Password"] = made.password.text
    return answer


@router.post(
    "/request",
    summary="重新申請下載 Ask for an ended download again",
    response_model=None,
    responses=answers(200, said("可下載至何時。Until when.", Reopened), "not-found"),
)
async def reopen_downloads(
    house: HouseOf,
    who: ApiWho,
    upload_id: UploadIdPath,
    asked: Annotated[Nothing, Query()],  # noqa: ARG001  refuses what isn't known
) -> Response:
    """下載期限過後重新開放。Downloads end after some days; this opens them for as many again."""
    ends_at = await run_in_threadpool(house.desk.reopen, who, upload_id)
    return json_response({"upload_id": upload_id, "download_ends_at": in_taipei(ends_at)})


def _file(made: Download) -> Response:
    return Response(
        made.data,
        media_type=made.media_type,
        headers={"Content-Disposition": f'attachment; filename="{made.filename}"'},
    )
