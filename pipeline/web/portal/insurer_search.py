"""Looking something up: an upload, a file's hash, an institution, a treatment id.

What was asked is posted, so that no address and no access log has it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.accounts.who import Who
from pipeline.desk.errors import NotThereError, SpecialCodeError
from pipeline.desk.insurer import LEAST_CODE, LEAST_HASH
from pipeline.upload_ids import is_upload_id
from pipeline.web.house import House, HouseOf
from pipeline.web.portal.insurer import Insurer, InsurerForm
from pipeline.web.portal.page import page
from pipeline.web.portal.verdict_words import row_headline
from pipeline.web.portal.visits import ShownVisit, shown_visit
from pipeline.web.portal.words import MODES, SHORT_CHANNELS
from rules import load_plan

router = APIRouter(include_in_schema=False)
_MOST_CHARACTERS: Final = 80
_TREATMENT_ID: Final = re.compile(r"[0-9A-Z]{20}")


@router.get("/insurer/search")
def search_page(request: Request, _: Insurer) -> Response:
    """The form."""
    return _page(request)


@router.post("/insurer/search")
def search(request: Request, house: HouseOf, form: InsurerForm) -> Response:
    """What was found; that it was searched, by whom and how, is in the audit log."""
    text = re.sub(r"\s", "", unicodedata.normalize("NFKC", form.text("text")))[:_MOST_CHARACTERS]
    kind = _kind(text)
    found = house.desk.search(form.session.who, text)
    house.accounts.audit.append(
        form.session.who.id,
        "search",
        text if kind in ("upload", "institution") else kind,
        detail={"kind": kind, "uploads": len(found.uploads)},
    )
    return _page(
        request,
        searched=True,
        text="" if kind == "treatment-id" else text,
        kind=kind,
        rows=[(row, row_headline(row)) for row in found.uploads],
        visit=_history(house, form.session.who, text) if kind == "treatment-id" else None,
        institutions=found.institutions,
    )


def _history(house: House, who: Who, treatment_id: str) -> ShownVisit | None:
    """What became of the visit at all institutions; ``None`` where none sent it, or where the id
    is a code that names many."""
    try:
        trace = house.desk.visit(who, None, treatment_id)
    except (NotThereError, SpecialCodeError):
        return None
    visit = shown_visit(trace, load_plan())
    house.accounts.audit.append(who.id, "history.seen", visit.id)
    return visit


def _kind(text: str) -> str:
    if is_upload_id(text.upper()):
        return "upload"
    if _TREATMENT_ID.fullmatch(text.upper()):
        return "treatment-id"
    return "institution" if len(text) <= 10 and text.isascii() and text.isalnum() else "hash"


def _page(request: Request, **found: Any) -> Response:
    told: dict[str, Any] = {
        "searched": False,
        "text": "",
        "kind": "",
        "rows": [],
        "institutions": (),
        "visit": None,
    }
    return page(
        request,
        "insurer_search.html.j2",
        **{**told, **found},
        modes=MODES,
        channels=SHORT_CHANNELS,
        least_hash=LEAST_HASH,
        least_code=LEAST_CODE,
    )
