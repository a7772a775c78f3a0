"""Whether the service lives, whether it may be sent requests, and what it counts. For machines."""

from __future__ import annotations

import shutil
from ipaddress import ip_address
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from pipeline.metrics import content_type
from pipeline.store.layout import layout_of
from pipeline.web.api.asking import Nothing
from pipeline.web.api.said import REQUEST_ID
from pipeline.web.api.writing import json_response
from pipeline.web.house import House, HouseOf
from pipeline.web.identity import address_of
from pipeline.web.problems import not_found
from pipeline.web.security import came_through_proxy

router = APIRouter(tags=["health"])

LEAST_FREE_BYTES: Final = 1 << 30  # of the store's disk
LONGEST_WAIT_SECONDS: Final = 300.0
Unasked = Annotated[Nothing, Query()]


class Alive(BaseModel):
    """The process answers."""

    status: str


class Ready(BaseModel):
    """Whether uploads can be sent now, and what says so."""

    status: str
    checks: dict[str, bool]


def _plain(description: str, model: type[BaseModel]) -> dict[str, Any]:
    return {"description": description, "model": model, "headers": REQUEST_ID}


@router.get(
    "/healthz",
    summary="Whether the process answers",
    response_model=None,
    responses={200: _plain("It does.", Alive)},
)
async def healthz(asked: Unasked) -> Response:  # noqa: ARG001  refuses what isn't known
    """For whoever restarts it: an answer is all there is to it."""
    return json_response({"status": "alive"})


@router.get(
    "/readyz",
    summary="Whether uploads can be sent now",
    response_model=None,
    responses={
        200: _plain("They can.", Ready),
        503: _plain("Not now; `checks` says why.", Ready),
    },
)
async def readyz(house: HouseOf, asked: Unasked) -> Response:  # noqa: ARG001
    """For whoever leads requests here: settling goes on, the door is open, the disk has room."""
    checks = await run_in_threadpool(ready_checks, house)
    ready = all(checks.values())
    said = {"status": "ready" if ready else "not-ready", "checks": checks}
    return json_response(said, 200 if ready else 503)


@router.get("/metrics", include_in_schema=False)
def metrics(request: Request, house: HouseOf) -> Response:
    """What the process counts, for Prometheus on a private network: not through a proxy."""
    if came_through_proxy(request.scope) or not _is_private(address_of(request)):
        raise not_found()
    accept = request.headers.get("accept", "")
    return Response(house.service.exposition(accept), media_type=content_type(accept))


def ready_checks(house: House) -> dict[str, bool]:
    """What must hold where uploads can be sent."""
    health = house.service.settling.health()
    disk = layout_of(house.store_uri).disk
    return {
        "settling": health.alive and health.fault is None,
        "in_time": health.oldest_seconds < LONGEST_WAIT_SECONDS,
        "door": house.service.door.is_open,
        "disk": disk is None or shutil.disk_usage(disk).free >= LEAST_FREE_BYTES,
    }


def _is_private(address: str) -> bool:
    try:
        return ip_address(address).is_private
    except ValueError:
        return False
