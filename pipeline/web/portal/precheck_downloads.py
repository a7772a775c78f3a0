"""Downloading what goes with a comparison: the two CSV files, plain or in an AES zip."""

from __future__ import annotations

from base64 import b64encode
from datetime import date
from typing import Annotated

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
    """Both in a zip: under a password of theirs at once, else on a page that tells the password."""
    who = form.session.who
    if who.role != "clinic":
        raise not_found()
    as_of = _day(form.text("as_of"))
    report = report_of(house, who, "", as_of)
    password = form.fields.get("password")
    try:
        made = precheck_zip(
            house, who, report,
            password if isinstance(password, str) and password else None, house.clock(),
        )  # fmt: skip
    except WeakPasswordError as weak:
        zh, en = weak.args[:2]
        return report_page(request, house, who, report, zip_errors=[("password", zh, en)])
    if made.password.kind == "chosen":
        return file_response(made.filename, made.media_type, made.data)
    return page(
        request,
        "zip.html.j2",
        here=f"/precheck?as_of={as_of.isoformat()}",
        filename=made.filename,
        password=made.password,
        data=b64encode(made.data).decode(),
    )


def _day(text: str) -> date:
    day = read_day(text)
    if day is None:
        raise not_found()
    return day
