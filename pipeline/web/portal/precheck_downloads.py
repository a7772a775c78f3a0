"""Downloading what goes with a comparison: the two CSV files, plain or in an AES zip."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pipeline.accounts.accounts import Session, WeakPasswordError
from pipeline.web.house import HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.forms import SignedForm
from pipeline.web.portal.page import page
from pipeline.web.portal.precheck import report_of, report_page
from pipeline.web.portal.precheck_files import FileName, precheck_file, precheck_zip
from pipeline.web.portal.upload import file_response
from pipeline.web.problems import not_found
from pipeline.web.zip_passwords import zip_password

router = APIRouter(include_in_schema=False)


@router.get("/precheck/{name}")
def plain(
    house: HouseOf,
    session: Annotated[Session, page_of("clinic")],
    name: FileName,
    as_of: Annotated[str, Query(max_length=30)],
) -> Response:
    """One of the files."""
    report = report_of(house, session.who, "", _day(as_of))
    return file_response(*precheck_file(house, session.who, report, name))


@router.post("/precheck/download")
def encrypted(request: Request, house: HouseOf, form: SignedForm) -> Response:
    """Both in a zip under a password of theirs; without one, a page that tells a random one."""
    who = form.session.who
    if who.role != "clinic":
        raise not_found()
    as_of = _day(form.text("as_of"))
    report, password = report_of(house, who, "", as_of), form.fields.get("password")
    if not isinstance(password, str) or not password:
        return page(
            request,
            "zip.html.j2",
            here="/precheck",
            back=f"/precheck?{urlencode({'as_of': as_of.isoformat()})}",
            name="",
            fields={"as_of": as_of.isoformat()},
            password=zip_password(None, house.settings, ()).text,
        )
    try:
        made = precheck_zip(house, who, report, password, house.clock())
    except WeakPasswordError as weak:
        wrong = [("password", weak.message_zh, weak.message_en)]
        return report_page(request, house, who, report, zip_errors=wrong)
    return file_response(made.filename, made.media_type, made.data)


def _day(text: str) -> date:
    day = read_day(text)
    if day is None:
        raise not_found()
    return day
