"""Every route of the web service, and how somebody goes for what belongs to another by it.

A route that is missing here fails ``test_web_isolation``: think first how it could be misused.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from fastapi import FastAPI
from senders import EVENING
from visit_records import Record, upload
from web_house import XML

from pipeline.web.vnhi.opcode import opcode_of

SAM = "000000000001"
ZIP_PASSWORD = "Bleak-Otter-Vends-41"
Way = Literal["open", "api", "page", "insurer", "envelope"]
"""Who a route is for: anybody, a key, an institution's session, the insurer's, a bound address."""


@dataclass(frozen=True)
class Things:
    """What somebody has that others must not see or touch; or names of what nobody has.

    ``treatment_id`` is of one visit, ``record`` is another, for being sent by others.
    """

    institution: str
    upload_id: str
    held_id: str
    treatment_id: str
    sha256: str
    key_id: str
    session_id: str
    record: Record

    @property
    def names(self) -> tuple[str, ...]:
        """By which an answer could give them away."""
        return (
            self.upload_id, self.held_id, self.treatment_id, self.sha256, self.key_id,
            self.session_id, self.record.id, self.record.fields["M03"], self.institution,
        )  # fmt: skip

    @property
    def opcode(self) -> str:
        """What the insurer's envelope calls the upload."""
        return str(opcode_of(EVENING, self.institution, SAM, self.upload_id))


@dataclass(frozen=True)
class Ask:
    """A request. ``form`` is a page's form (its token is added), ``more`` what httpx takes."""

    path: str
    form: Mapping[str, str] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Attack:
    """A route: for whom it is, and the request that names somebody's things.

    ``owner`` is the status that the owner of the things gets; ``None`` where it ends their session
    or changes their password, so isn't asked. ``acts`` marks what the asker does for themselves:
    its answer may tell a new id every time.
    """

    way: Way
    ask: Callable[[Things], Ask]
    owner: int | None = 200
    acts: bool = False


def _at(path: str, **more: Any) -> Callable[[Things], Ask]:
    """A path with ``{names}`` of things."""
    return lambda things: Ask(path.format_map(vars(things)), more=more)


def _asking(path: str, **query: str) -> Callable[[Things], Ask]:
    return lambda things: Ask(
        path, more={"params": {name: text.format_map(vars(things)) for name, text in query.items()}}
    )


def _form(path: str, **fields: str) -> Callable[[Things], Ask]:
    return lambda things: Ask(
        path.format_map(vars(things)),
        {name: text.format_map(vars(things)) for name, text in fields.items()},
    )


def _file(path: str) -> Callable[[Things], Ask]:
    """Somebody else's records, sent as one's own; and their name beside."""
    return lambda things: Ask(
        path,
        {"mode": "official", "institution": things.institution},
        {"files": {"file": ("a.xml", upload([things.record]))}},
    )


def _body(path: str, **query: str) -> Callable[[Things], Ask]:
    return lambda things: Ask(
        path, more={"content": upload([things.record]), "headers": XML, "params": query}
    )


def _envelope(path: str) -> Callable[[Things], Ask]:
    """The envelope in the name of others; a download names their Opcode, too."""
    return lambda things: Ask(
        path,
        more={
            "json": {
                "sSamId": SAM, "sHospId": things.institution, "sType": "A1",
                "sPatData": base64.b64encode(upload([things.record])).decode(),
                "sOpcode": things.opcode,
            }
        },
    )  # fmt: skip


ATTACKS: Mapping[tuple[str, str], Attack] = {
    ("GET", "/healthz"): Attack("open", _at("/healthz")),
    ("GET", "/readyz"): Attack("open", _at("/readyz")),
    ("GET", "/metrics"): Attack("open", _at("/metrics"), acts=True),
    ("GET", "/static/{name}"): Attack("open", _at("/static/portal.css")),
    ("GET", "/problems/{name}"): Attack("open", _at("/problems/not-found")),
    ("GET", "/api/openapi.json"): Attack("open", _at("/api/openapi.json")),
    ("GET", "/api/docs"): Attack("open", _at("/api/docs")),
    ("GET", "/api/v1/codes/{code}"): Attack("open", _at("/api/v1/codes/AA")),
    ("GET", "/codes"): Attack("open", _at("/codes")),
    ("GET", "/codes/{code}"): Attack("open", _at("/codes/AA")),
    ("GET", "/rules"): Attack("open", _at("/rules")),
    ("GET", "/rules/{rule_id:path}"): Attack("open", _at("/rules/required/M15")),
    ("GET", "/help"): Attack("open", _at("/help")),
    ("GET", "/"): Attack("open", _at("/"), owner=303),
    ("GET", "/sign-in"): Attack("open", _at("/sign-in"), owner=303),
    ("POST", "/sign-in"): Attack(
        "open", _form("/sign-in", name="{institution}", password="guess"), owner=None
    ),
    ("GET", "/sign-in/insurer"): Attack("open", _at("/sign-in/insurer"), owner=404),
    ("GET", "/sign-in/insurer/back"): Attack("open", _at("/sign-in/insurer/back"), owner=404),
    # ---- by an API key --------------------------------------------------------------------------
    ("POST", "/api/v1/uploads"): Attack("api", _body("/api/v1/uploads"), owner=202, acts=True),
    ("GET", "/api/v1/uploads"): Attack("api", _at("/api/v1/uploads")),
    ("GET", "/api/v1/uploads/{upload_id}"): Attack("api", _at("/api/v1/uploads/{upload_id}")),
    ("GET", "/api/v1/uploads/{upload_id}/errors.csv"): Attack(
        "api", _at("/api/v1/uploads/{upload_id}/errors.csv")
    ),
    ("GET", "/api/v1/uploads/{upload_id}/receipt.txt"): Attack(
        "api", _at("/api/v1/uploads/{upload_id}/receipt.txt")
    ),
    ("POST", "/api/v1/uploads/{upload_id}/download"): Attack(
        "api", _at("/api/v1/uploads/{upload_id}/download", json={"password": ZIP_PASSWORD})
    ),
    ("POST", "/api/v1/uploads/{upload_id}/request"): Attack(
        "api", _at("/api/v1/uploads/{upload_id}/request")
    ),
    ("POST", "/api/v1/checks"): Attack("api", _body("/api/v1/checks")),
    ("GET", "/api/v1/reports/precheck"): Attack("api", _at("/api/v1/reports/precheck")),
    ("GET", "/api/v1/visits/{treatment_id}"): Attack("api", _at("/api/v1/visits/{treatment_id}")),
    ("POST", "/api/v1/visits/search"): Attack(
        "api",
        lambda things: Ask(
            "/api/v1/visits/search", more={"json": {"treatment_id": things.treatment_id}}
        ),
    ),
    # ---- by an institution's session ------------------------------------------------------------
    ("GET", "/uploads"): Attack("page", _asking("/uploads", institution="{institution}")),
    ("GET", "/uploads/{upload_id}"): Attack("page", _at("/uploads/{upload_id}")),
    ("GET", "/uploads/{upload_id}/state"): Attack("page", _at("/uploads/{upload_id}/state")),
    ("GET", "/uploads/{upload_id}/errors.csv"): Attack(
        "page", _at("/uploads/{upload_id}/errors.csv")
    ),
    ("GET", "/uploads/{upload_id}/receipt.txt"): Attack(
        "page", _at("/uploads/{upload_id}/receipt.txt")
    ),
    ("GET", "/uploads/{upload_id}/records/{number}"): Attack(
        "page", _at("/uploads/{upload_id}/records/1")
    ),
    ("GET", "/uploads/{upload_id}/records/{number}/visit"): Attack(
        "page", _at("/uploads/{upload_id}/records/1/visit")
    ),
    ("POST", "/uploads/{upload_id}/reopen"): Attack(
        "page", _form("/uploads/{upload_id}/reopen"), owner=303
    ),
    ("POST", "/uploads/{upload_id}/download"): Attack(
        "page", _form("/uploads/{upload_id}/download", password=ZIP_PASSWORD)
    ),
    ("GET", "/send"): Attack("page", _asking("/send", institution="{institution}"), acts=True),
    ("POST", "/send"): Attack("page", _file("/send"), owner=303, acts=True),
    ("GET", "/try"): Attack("page", _asking("/try", institution="{institution}")),
    ("POST", "/try"): Attack("page", _file("/try")),
    ("GET", "/visits"): Attack("page", _asking("/visits", **{"treatment-id": "{treatment_id}"})),
    ("POST", "/visits"): Attack("page", _form("/visits", **{"treatment-id": "{treatment_id}"})),
    ("GET", "/precheck"): Attack("page", _asking("/precheck", institution="{institution}")),
    ("GET", "/precheck/{name}"): Attack(
        "page",
        _asking("/precheck/uploads.csv", as_of="2025-12-22", institution="{institution}"),
    ),
    ("POST", "/precheck/download"): Attack(
        "page",
        _form("/precheck/download", as_of="2025-12-22", institution="{institution}",
              password=ZIP_PASSWORD),
        acts=True,
    ),
    ("GET", "/account"): Attack("page", _asking("/account", name="{institution}")),
    ("POST", "/account/password"): Attack(
        "page", _form("/account/password", old="x", new="y", again="y", name="{institution}"),
        owner=422,
    ),
    ("POST", "/account/keys"): Attack(
        "page", _form("/account/keys", name="mine", institution="{institution}"), owner=201,
        acts=True,
    ),
    ("POST", "/account/keys/revoke"): Attack(
        "page", _form("/account/keys/revoke", key="{key_id}"), owner=303
    ),
    ("POST", "/account/sessions/end"): Attack(
        "page", _form("/account/sessions/end", session="{session_id}"), owner=None
    ),
    ("POST", "/sign-out"): Attack("page", _form("/sign-out", session="{session_id}"), owner=None),
    # ---- by the insurer's people ----------------------------------------------------------------
    ("GET", "/insurer"): Attack("insurer", _at("/insurer")),
    ("GET", "/insurer/institutions"): Attack(
        "insurer", _asking("/insurer/institutions", q="{institution}")
    ),
    ("GET", "/insurer/institutions/{code}"): Attack(
        "insurer", _at("/insurer/institutions/{institution}")
    ),
    ("GET", "/insurer/search"): Attack("insurer", _at("/insurer/search")),
    ("POST", "/insurer/search"): Attack("insurer", _form("/insurer/search", text="{upload_id}")),
    ("GET", "/insurer/held"): Attack("insurer", _at("/insurer/held")),
    ("GET", "/insurer/held/{upload_id}"): Attack("insurer", _at("/insurer/held/{held_id}")),
    ("POST", "/insurer/held/{upload_id}"): Attack(
        "insurer", _form("/insurer/held/{held_id}", decision="drop", reason="asked by phone")
    ),
    ("GET", "/insurer/health"): Attack("insurer", _at("/insurer/health")),
    ("GET", "/insurer/audit"): Attack(
        "insurer", _asking("/insurer/audit", institution="{institution}")
    ),
    ("GET", "/insurer/audit.csv"): Attack("insurer", _at("/insurer/audit.csv")),
    # ---- by a bound address ---------------------------------------------------------------------
    **{
        ("POST", f"/{version}/{name}"): Attack("envelope", _envelope(f"/{version}/{name}"))
        for version in ("V1000", "V2000")
        for name in ("VNHI_Upload", "VNHI_Download")
    },
}  # fmt: skip


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of every route, however deep it is included."""
    for room in app.routes:
        for route in room.effective_route_contexts():  # type: ignore[attr-defined]
            for method in route.methods:
                yield method, route.path
