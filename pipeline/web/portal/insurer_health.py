"""Whether the service does its work: green, amber, red, and what to do."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pipeline.web.house import HouseOf
from pipeline.web.portal.insurer import Insurer
from pipeline.web.portal.insurer_health_words import signals, worst
from pipeline.web.portal.page import page
from schemas.reference import REFERENCE_TABLES

router = APIRouter(include_in_schema=False)


@router.get("/insurer/health")
def health_page(request: Request, house: HouseOf, session: Insurer) -> Response:
    """The facts as they are now."""
    health = house.desk.health(session.who)
    found = signals(health, house.clock())
    loaded = {table.name: table for table in health.references}
    return page(
        request,
        "insurer_health.html.j2",
        signals=found,
        worst=worst(found),
        now=house.clock(),
        engine_version=health.engine,
        plan=health.plan,
        references=[(table, loaded.get(name)) for name, table in REFERENCE_TABLES.items()],
    )
