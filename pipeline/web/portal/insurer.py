"""The insurer's first page: the day's numbers, what waits for somebody, how the service is."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Request
from starlette.responses import Response

from pipeline.accounts.accounts import Session
from pipeline.web.house import HouseOf
from pipeline.web.identity import page_of
from pipeline.web.portal.forms import Form, SignedForm
from pipeline.web.portal.insurer_health_words import signals, worst
from pipeline.web.portal.page import page
from pipeline.web.problems import not_found

router = APIRouter(include_in_schema=False)
Insurer = Annotated[Session, page_of("insurer", "auditor")]
"""A page of the insurer's people; for others it isn't there."""
_PATH: Final = "/insurer"


def _insurer_form(form: SignedForm) -> Form:
    if not form.session.who.of_insurer:
        raise not_found()
    return form


InsurerForm = Annotated[Form, Depends(_insurer_form)]
"""A form of the insurer's people; for others it isn't there."""


@router.get(_PATH)
def begin(request: Request, house: HouseOf, session: Insurer) -> Response:
    """The day in numbers."""
    who, health = session.who, house.desk.health(session.who)
    today = house.desk.day(who)
    return page(
        request,
        "insurer.html.j2",
        today=today,
        yesterday=house.desk.day(who, today.day - timedelta(1)),
        held=len(house.desk.held(who)),
        waiting=health.settling.waiting,
        tone=worst(signals(health, house.clock())),
    )
