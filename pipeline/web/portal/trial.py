"""Trying a file out: the verdict alone, nothing is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.accounts.sessions import Session
from pipeline.outcome import Mode
from pipeline.report.answer import Answer
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.page import page
from pipeline.web.portal.sent_files import FormWithFiles, most_text, payloads_of, signed_files
from pipeline.web.portal.shown_findings import chosen, faults
from pipeline.web.portal.upload import shown_name
from pipeline.web.portal.verdict_words import headline
from pipeline.web.problems import not_found
from pipeline.web.trials import tried

router = APIRouter(include_in_schema=False)
_NO_FILE: Final = ("file", "請選擇要試檢的檔案", "Choose a file")
_ONE_FILE: Final = (
    "file",
    "試檢一次一個 XML 檔；zip 內有多個檔案，請解壓縮後逐一試檢",
    "One XML file at a time: unpack the zip and try its files one by one",
)


@router.get("/try")
def trial_page(
    request: Request, house: HouseOf, _: Annotated[Session, page_of("clinic")]
) -> Response:
    """The form."""
    return _page(request, house, "official")


@router.post("/try")
async def trial(
    request: Request, house: HouseOf, form: Annotated[FormWithFiles, Depends(signed_files)]
) -> Response:
    """The verdict on a file."""
    who = form.session.who
    if who.role != "clinic":
        raise not_found()
    mode: Mode = "precheck" if form.text("mode") == "precheck" else "official"
    if not form.files:
        return _page(request, house, mode, errors=[_NO_FILE], status=422)
    institution = next(iter(who.institutions))
    house.rates.count("uploads", institution)
    payloads = payloads_of(form.files[0], house.settings.limits)
    first = await run_in_threadpool(next, payloads, None)
    if first is None or await run_in_threadpool(next, payloads, None) is not None:
        return _page(request, house, mode, errors=[_ONE_FILE], status=422)
    answer = await tried(house, who, first, institution, mode)
    return await run_in_threadpool(_page, request, house, mode, answer=answer)


def _page(
    request: Request,
    house: House,
    mode: Mode,
    *,
    answer: Answer | None = None,
    errors: Sequence[tuple[str, str, str]] = (),
    status: int = 200,
) -> Response:
    return page(
        request,
        "try.html.j2",
        status=status,
        mode=mode,
        most=most_text(house),
        errors=errors,
        answer=answer,
        name=shown_name(answer.name) if answer else "",
        headline=headline(answer, trial=True) if answer else None,
        faults=faults(answer) if answer else [],
        chosen=chosen(answer) if answer else None,
    )
