"""Tricks around who asks: odd paths, headers that claim, things twice, requests in requests."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPResponse
from urllib.parse import urlsplit

import httpx
import pytest
from visit_records import SOMEBODY_ELSE, upload
from web_house import XML, WebHouse, X, Y, Z, bad_visit, good_visit, hidden_fields

from pipeline.accounts.who import Who

CLINIC_Y = Who("of-y", "y", "clinic", frozenset({Y}))
SESSION = "nhi-session"


@pytest.fixture(scope="module")
def theirs(web: WebHouse) -> str:
    """An upload of Y, with a finding."""
    return web.send(
        Y, good_visit(Y, SOMEBODY_ELSE, 1), bad_visit(Y, SOMEBODY_ELSE, 2), name="of-y.xml"
    )


@pytest.fixture(scope="module")
def own(web: WebHouse) -> str:
    """An upload of X."""
    return web.send(X, bad_visit(X, minutes=3))


def raw(
    web: WebHouse, method: str, target: str, headers: list[tuple[str, str]], body: bytes = b""
) -> tuple[int, bytes]:
    """A request whose target and headers stand as they are written."""
    place = urlsplit(web.url)
    with closing(HTTPConnection(place.hostname or "", place.port, timeout=20)) as connection:
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        answer: HTTPResponse = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture(scope="module")
def as_x(web: WebHouse) -> list[list[tuple[str, str]]]:
    """What X can show: its key, a vendor's, its session."""
    cookie = web.browser(X).cookies[SESSION]
    return [
        [("Authorization", f"Bearer {web.keys[X]}")],
        [("Authorization", f"Bearer {web.vendor}"), ("X-NHI-Institution", X)],
        [("Cookie", f"{SESSION}={cookie}")],
        [],
    ]


PATHS = (
    "{at}",
    "/{at}",
    "{at}/",
    "{at}//",
    "{at}/.",
    "{at}/../{id}",
    "{at}%2f",
    "{at}%2Ferrors.csv",
    "{at}/errors.csv/",
    "{at}/errors%2ecsv",
    "{at}//errors.csv",
    "{at};a=b",
    "{at}%00",
    "{at}%20",
    "{at}?x=%00",
    "{at}#fragment",
    "{root}/%2e/{id}",
    "{root}/%2e%2e{root}/{id}",
    "{root}/x/../{id}",
    "{root}/x/%2e%2e/{id}",
    "{root}%2f{id}",
    "{root}\\{id}",
    "{root}/{lower}",
    "{ROOT}/{id}",
    "http://localhost{at}",
    "/static/..{at}",
    "/static/%2e%2e%2f{id}",
    "/codes/..{at}",
    "/rules/../..{at}",
    "/healthz/..{at}",
)


@pytest.mark.parametrize("root", ["/uploads", "/api/v1/uploads"])
@pytest.mark.parametrize("form", PATHS)
def test_no_path_leads_around_who_asks(
    form: str, root: str, web: WebHouse, as_x: list[list[tuple[str, str]]], theirs: str
) -> None:
    target = form.format(
        at=f"{root}/{theirs}", root=root, id=theirs, lower=theirs.lower(), ROOT=root.upper()
    )
    for headers in as_x:
        status, body = raw(web, "GET", target, headers)
        assert status in (301, 303, 307, 400, 401, 404, 405, 422), (status, target)
        assert SOMEBODY_ELSE.encode() not in body
        assert b"of-y.xml" not in body


@pytest.mark.parametrize(
    "claim",
    [
        [("X-NHI-Institution", Y)],
        [("x-nhi-institution", Y)],
        [("X-NHI-Institution", X), ("X-NHI-Institution", Y)],
        [("X-NHI-Institution", Y), ("X-NHI-Institution", X)],
        [("X-NHI-Institution", f"{X},{Y}")],
        [("X-NHI-Institution", f" {Y} ")],
        [("X_NHI_Institution", Y)],
        [("X-NHI-Institution", "*")],
        [("X-NHI-Institution", "")],
        [("X-Institution", Y), ("X-User", "clinic-y"), ("X-Forwarded-User", "clinic-y")],
        [("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1")],
        [("X-Original-URL", "/api/v1/uploads?institution=Y"), ("X-Rewrite-URL", "/insurer/audit")],
    ],
    ids=str,
)
def test_no_header_makes_somebody_else_of_who_asks(
    claim: list[tuple[str, str]], web: WebHouse, theirs: str, own: str
) -> None:
    for key in (web.keys[X], web.vendor):
        headers = [("Authorization", f"Bearer {key}"), *claim]
        status, body = raw(web, "GET", f"/api/v1/uploads/{theirs}", headers)
        assert status in (404, 422), body
        status, body = raw(web, "GET", "/api/v1/uploads", headers)
        assert status in (200, 400, 404, 422), body
        assert theirs.encode() not in body
        assert Y.encode() not in body
    assert raw(web, "GET", f"/api/v1/uploads/{own}", [("Authorization", f"Bearer {web.keys[X]}")])[
        0
    ] == 200  # fmt: skip


@pytest.mark.parametrize(
    "query",
    [
        f"?institution={Y}",
        f"?institution={X}&institution={Y}",
        f"?X-NHI-Institution={Y}",
        f"?who={Y}&sender={Y}&M05={Y}",
        f"?institution[]={Y}",
        "?cursor=1~{id}",
        "?from=2000-01-01&to=2199-12-31&limit=500",
    ],
)
def test_no_parameter_makes_somebody_else_of_who_asks(
    query: str, web: WebHouse, as_x: list[list[tuple[str, str]]], theirs: str
) -> None:
    for path in ("/api/v1/uploads", "/uploads", "/precheck", "/api/v1/reports/precheck"):
        for headers in as_x:
            status, body = raw(web, "GET", path + query.format(id=theirs), headers)
            assert status < 500
            if "{id}" not in query:
                assert theirs.encode() not in body
            assert SOMEBODY_ELSE.encode() not in body
            assert b"of-y.xml" not in body


@pytest.mark.parametrize(
    "headers",
    [
        ["Bearer {x}", "Bearer {y}"],
        ["Bearer {x}, Bearer {y}"],
        ["bearer  {x}"],
        ["Basic {x}"],
        ["{x}"],
        ["Bearer "],
        ["Bearer {x}\t"],
        ["Bearer {x}{x}"],
    ],
    ids=str,
)
def test_credentials_that_are_odd_are_none_or_the_first(
    headers: list[str], web: WebHouse, theirs: str
) -> None:
    bad = "nhi_AAAAAAAA_" + "A" * 43
    shown = [("Authorization", h.format(x=web.keys[X], y=bad)) for h in headers]
    status, _ = raw(web, "GET", f"/api/v1/uploads/{theirs}", shown)
    assert status in (400, 401, 404)


def test_a_key_is_no_session_and_a_session_no_key(web: WebHouse, own: str) -> None:
    cookie = web.browser(X).cookies[SESSION]
    for headers in (
        [("Cookie", f"{SESSION}={web.keys[X]}")],
        [("Cookie", f"{SESSION}={cookie[:-1]}")],
        [("Cookie", f"__Host-{SESSION}={cookie}")],
        [("Authorization", f"Bearer {web.keys[X]}")],
    ):
        assert raw(web, "GET", f"/uploads/{own}", headers)[0] == 303
    for headers in (
        [("Cookie", f"{SESSION}={cookie}")],
        [("Authorization", f"Bearer {cookie}")],
        [("X-API-Key", web.keys[X])],
    ):
        assert raw(web, "GET", f"/api/v1/uploads/{own}", headers)[0] == 401
    status, _ = raw(web, "GET", f"/api/v1/uploads/{own}?key={web.keys[X]}", [])
    assert status in (401, 422)


@pytest.mark.parametrize("name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_is_the_one_that_is_written(name: str, web: WebHouse, own: str) -> None:
    browser = web.browser(X)
    for path in (f"/uploads/{own}/reopen", f"/uploads/{own}/download", "/account/keys/revoke"):
        answer = browser.get(path, params={"_method": "POST"}, headers={name: "POST"})
        assert answer.status_code in (404, 405)
    answer = browser.post(f"/uploads/{own}", data={"_method": "GET"}, headers={name: "GET"})
    assert answer.status_code in (403, 404, 405)
    for method in ("PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "CONNECT", "FOO"):
        status, _ = raw(web, method, f"/api/v1/uploads/{own}", [])
        assert status in (400, 404, 405), method
    assert web.house.accounts.grants.reopened_until(own) is None


def conversation(web: WebHouse, *pieces: bytes) -> bytes:
    """What comes back for bytes on a connection, until the server hangs up or is silent."""
    place = urlsplit(web.url)
    with socket.create_connection((place.hostname or "", place.port or 0), timeout=3) as line:
        for piece in pieces:
            line.sendall(piece)
        line.shutdown(socket.SHUT_WR)
        return b"".join(heard(line))


def heard(line: socket.socket) -> Iterator[bytes]:
    try:
        while piece := line.recv(65_536):
            yield piece
    except (TimeoutError, ConnectionResetError):
        return


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Content-Length: 4\r\nContent-Length: 400\r\n",
        b"Content-Length: +4\r\n",
        b"Content-Length: 4, 4\r\n",
        b"Content-Length: 0x4\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n",
    ],
)
def test_no_request_hides_in_the_body_of_another(
    framing: bytes, web: WebHouse, theirs: str
) -> None:
    hidden = (
        f"GET /api/v1/uploads/{theirs} HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {web.keys[Y]}\r\n\r\n"
    ).encode()
    head = (
        f"POST /api/v1/uploads HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer {web.keys[X]}\r\nContent-Type: application/xml\r\n"
    ).encode()
    said = conversation(web, head + framing + b"\r\n0\r\n\r\n" + hidden)
    assert b"HTTP/1.1 2" not in said.partition(b"\r\n")[0]
    assert said.count(b"HTTP/1.1 ") <= 1
    assert theirs.encode() not in said


def test_the_same_idempotency_key_is_not_the_same_for_another(web: WebHouse) -> None:
    key = {"Idempotency-Key": "evening-batch-1", **XML}
    data = upload([good_visit(Y, SOMEBODY_ELSE, 50)])
    of_y = web.client(Y).post("/api/v1/uploads", content=data, headers=key)
    of_x = web.client(X).post("/api/v1/uploads", content=data, headers=key)
    assert (of_y.status_code, of_x.status_code) == (202, 202)
    assert of_y.json()["upload_id"] != of_x.json()["upload_id"]
    assert "idempotent-replayed" not in of_x.headers
    again = web.client(Y).post("/api/v1/uploads", content=data, headers=key)
    assert again.json()["upload_id"] == of_y.json()["upload_id"]
    assert web.client(X).get(of_y.headers["location"]).status_code == 404


@pytest.mark.parametrize("letter", ["A", "D"])
def test_sending_anothers_records_changes_none_of_theirs(letter: str, web: WebHouse) -> None:
    record = good_visit(Y, SOMEBODY_ELSE, 60 + ord(letter))
    web.send(Y, record)
    web.commit()
    before = web.house.desk.visit(CLINIC_Y, Y, record.id)
    assert before.versions[-1].stands
    sent = record if letter == "A" else record.as_format("D")
    for institution in (X, Z):
        web.send(institution, sent)
        web.send(institution, sent.but(M05=institution))
    web.commit()
    assert repr(web.house.desk.visit(CLINIC_Y, Y, record.id)) == repr(before)


def test_a_page_does_not_lead_elsewhere_after_signing_in(web: WebHouse) -> None:
    for following in (
        "https://evil.example", "//evil.example", "/\\evil.example", "/%5cevil.example/..",
        "javascript:alert(1)", "\\\\evil.example", "/\tevil", "/sign-out", "///evil.example",
    ):  # fmt: skip
        browser = web.browser()
        fields = hidden_fields(browser.get("/sign-in", params={"next": following}).text)
        form = {"name": "clinic-x", "password": "tower-lamp-goose-42", **fields}
        answer = browser.post("/sign-in", data={**form, "next": following})
        assert answer.status_code == 303
        place = httpx.URL(web.url).join(answer.headers["location"])
        assert place.host == httpx.URL(web.url).host, following


def test_answers_that_name_people_are_kept_by_no_cache(
    web: WebHouse, own: str, theirs: str
) -> None:
    browser, client = web.browser(X), web.client(X)
    for answer in (
        browser.get("/uploads"),
        browser.get(f"/uploads/{own}"),
        browser.get(f"/uploads/{own}/errors.csv"),
        browser.get(f"/uploads/{theirs}"),
        client.get(f"/api/v1/uploads/{own}"),
        client.get(f"/api/v1/uploads/{own}/errors.csv"),
    ):
        assert "no-store" in answer.headers["cache-control"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
