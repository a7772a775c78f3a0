"""One upload: what became of it, its records with findings, its downloads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, RedirectResponse, Response

from pipeline.accounts.faults import WeakPasswordError
from pipeline.accounts.sessions import Session
from pipeline.desk.receipts import Receipt
from pipeline.report.error_csv import CsvEncoding
from pipeline.report.masking import without_ids
from pipeline.report.printable import printable
from pipeline.taipei import TAIPEI
from pipeline.web.downloads import Shape, download, encrypted_download
from pipeline.web.house import House, HouseOf, house_of
from pipeline.web.identity import PageSession
from pipeline.web.portal.forms import SignedForm
from pipeline.web.portal.notices import leave_notice
from pipeline.web.portal.page import language, page
from pipeline.web.portal.shown_findings import EVERY_RECORD, Choice, chosen, faults, standing
from pipeline.web.portal.verdict_words import FAILED, WAITING, Headline, headline
from pipeline.web.portal.words import MODES, SHORT_CHANNELS
from pipeline.web.zip_passwords import ID_WARNING, ID_WARNING_ZH, zip_password

router = APIRouter(include_in_schema=False)
_ID_WARNING: Final = (ID_WARNING_ZH, ID_WARNING)
_WAIT_SECONDS: Final = 8.0  # that a script's question stays open for an outcome


@router.get("/uploads/{upload_id}")
def upload(
    request: Request,
    house: HouseOf,
    session: PageSession,
    upload_id: str,
    code: Annotated[str, Query(max_length=10)] = "",
    field: Annotated[str, Query(max_length=80)] = "",
    severity: Literal["", "reject", "warn"] = "",
    number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1,
) -> Response:
    """What became of an upload; with a code, field or severity only the records that have it."""
    receipt = house.desk.receipt(session.who, upload_id)
    if session.who.of_insurer:
        house.accounts.audit.append(session.who.id, "upload.seen", upload_id, receipt.institution)
    return _page(request, receipt, Choice(code, field, severity), number)


@router.get("/uploads/{upload_id}/state")
async def state(request: Request, house: HouseOf, session: PageSession, upload_id: str) -> Response:
    """For scripts: the headline of an upload as soon as there is one, else ``waiting``."""
    receipt = await run_in_threadpool(house.desk.receipt, session.who, upload_id)
    if receipt.state == "waiting":
        await house.service.outcomes.told(upload_id, _WAIT_SECONDS)
        receipt = await run_in_threadpool(house.desk.receipt, session.who, upload_id)
    said = _headline(receipt)
    lang = language(request)
    return JSONResponse(
        {
            "waiting": receipt.state == "waiting",
            "name": shown_name(receipt.row["name"]),
            "tone": said.tone,
            "text": said.zh if lang == "zh" else said.en,
        }
    )


@router.get("/uploads/{upload_id}/errors.csv")
def errors_csv(
    house: HouseOf, session: PageSession, upload_id: str, encoding: CsvEncoding = "utf-8"
) -> Response:
    """The findings as CSV."""
    return _file(house, session, upload_id, "csv", encoding)


@router.get("/uploads/{upload_id}/receipt.txt")
def receipt_text(house: HouseOf, session: PageSession, upload_id: str) -> Response:
    """The receipt in the insurer's layout."""
    return _file(house, session, upload_id, "text", "utf-8")


@router.post("/uploads/{upload_id}/reopen")
def reopen(request: Request, house: HouseOf, form: SignedForm, upload_id: str) -> Response:
    """Make ended downloads available again."""
    house.desk.reopen(form.session.who, upload_id)
    response = RedirectResponse(f"{_path(upload_id)}#downloads", 303)
    leave_notice(request, response, "reopened")
    return response


@router.post("/uploads/{upload_id}/download")
def encrypted(request: Request, house: HouseOf, form: SignedForm, upload_id: str) -> Response:
    """An AES zip under a password of theirs; without one, a page that tells a random one first."""
    who, password = form.session.who, form.fields.get("password")
    shape: Shape = "text" if form.text("shape") == "text" else "csv"
    receipt = house.desk.receipt(who, upload_id)
    if not isinstance(password, str) or not password:
        made = zip_password(None, house.settings, ())
        return page(
            request, "zip.html.j2", here=_path(upload_id), password=made.text, shape=shape,
            name=shown_name(receipt.row["name"]),
        )  # fmt: skip
    try:
        packed = encrypted_download(house, who, upload_id, shape, password=password)
    except WeakPasswordError as weak:
        wrong = [("password", weak.message_zh, weak.message_en)]
        return _page(request, receipt, zip_errors=wrong, status=422)
    return file_response(packed.filename, packed.media_type, packed.data)


def file_response(filename: str, media_type: str, data: bytes) -> Response:
    """A file to keep, never to show in the page's place."""
    return Response(
        data,
        media_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{filename}"'},
    )


def _file(
    house: House, session: Session, upload_id: str, shape: Shape, encoding: CsvEncoding
) -> Response:
    return file_response(*download(house, session.who, upload_id, shape, encoding))


def _headline(receipt: Receipt) -> Headline:
    if receipt.answer is not None:
        return headline(receipt.answer)
    return WAITING if receipt.state == "waiting" else FAILED


def _page(
    request: Request,
    receipt: Receipt,
    choice: Choice = EVERY_RECORD,
    number: int = 1,
    *,
    zip_errors: Sequence[tuple[str, str, str]] = (),
    status: int = 200,
) -> Response:
    answer = receipt.answer
    found: dict[str, Any] = {}
    if answer is not None:
        found = {
            "faults": faults(answer),
            "chosen": chosen(answer, choice, number),
            "standing": standing(answer),
        }
    return page(
        request,
        "upload.html.j2",
        status=status,
        here=_path(receipt.upload_id),
        upload_id=receipt.upload_id,
        name=shown_name(receipt.row["name"]),
        row=receipt.row,
        waiting=receipt.state == "waiting",
        answer=answer,
        headline=_headline(receipt),
        query=choice.query,
        ended=receipt.ended,
        ends_on=receipt.ends_at.astimezone(TAIPEI).date(),
        zip_errors=zip_errors,
        id_warning=_ID_WARNING if house_of(request).settings.id_as_password else None,
        modes=MODES,
        channels=SHORT_CHANNELS,
        **found,
    )


def shown_name(name: str | None) -> str:
    """A file's name as it may be shown, ids in it masked."""
    return printable(without_ids(name or ""))


def _path(upload_id: str) -> str:
    return f"/uploads/{quote(upload_id, safe='')}"
