"""Bodies of every kind over real sockets: in pieces, packed, too large, too slow, too many."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest
from coroutines import run_apart
from starlette.types import Message, Receive, Scope, Send
from visit_records import PERSON, upload
from web_house import XML, WebHouse, X, good_visit, web_house

from pipeline.limits import LIMITS
from pipeline.settings import Settings
from pipeline.web import body, protocol

MOST = 1 << 20
GOOD = upload([good_visit(X, PERSON, 7)])
TINY = Settings(limits=replace(LIMITS, upload_bytes=MOST), request_bytes_budget=3 * MOST)


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """One that takes uploads up to a mebibyte."""
    with web_house(tmp_path_factory.mktemp("web"), TINY) as served:
        yield served


def sent(web: WebHouse, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
    asked = {"wait": 20}
    return web.client(X).post(
        "/api/v1/uploads", params=asked, content=content, headers=XML | headers
    )


def refusal(answer: httpx.Response) -> str:
    """The code of an upload that got a ticket and was refused."""
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] == "refused"
    return str(answer.json()["receipt"]["refusal"]["code"])


def in_pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def padded(size: int) -> bytes:
    """A good upload of so many bytes."""
    return GOOD.replace(b"<RECS>", b"<RECS>" + b" " * (size - len(GOOD)))


@pytest.mark.parametrize("size", [1, 100, 1 << 16])
def test_a_body_in_pieces_is_the_same(web: WebHouse, size: int) -> None:
    whole = sent(web, GOOD).json()["receipt"]
    pieces = sent(web, in_pieces(GOOD, size)).json()["receipt"]
    assert pieces["sha256"] == whole["sha256"]
    packed = in_pieces(gzip.compress(GOOD), size)
    assert sent(web, packed, **{"Content-Encoding": "gzip"}).json()["receipt"] == pieces


def test_an_upload_may_be_as_large_as_allowed(web: WebHouse) -> None:
    assert sent(web, padded(MOST)).json()["status"] == "done"
    assert refusal(sent(web, padded(MOST + 1))) == "Z001"
    assert refusal(sent(web, in_pieces(padded(2 * MOST), 9_999))) == "Z001"


@pytest.mark.parametrize("chunked", [False, True])
def test_what_is_far_too_large_is_not_read_to_its_end(web: WebHouse, chunked: bool) -> None:
    data = padded(2 * MOST + 1)
    answer = sent(web, in_pieces(data, 9_999) if chunked else data)
    assert answer.status_code == 413
    assert answer.json()["type"] == "/problems/too-large"
    assert answer.headers["connection"] == "close"


def test_a_bomb_is_refused(web: WebHouse) -> None:
    bomb = gzip.compress(b"<RECS>" + b" " * (40 * MOST), 9)
    assert len(bomb) < MOST // 8
    assert refusal(sent(web, bomb, **{"Content-Encoding": "gzip"})) == "Z001"
    tight = gzip.compress(b"<RECS>" + b"\0" * (MOST - 100), 9)
    assert refusal(sent(web, tight, **{"Content-Encoding": "gzip"})).startswith("Y")
    nested = gzip.compress(gzip.compress(GOOD))
    assert refusal(sent(web, nested, **{"Content-Encoding": "gzip"})) == "Z003"


@pytest.mark.parametrize(
    "spoiled", [GOOD, gzip.compress(GOOD)[:-9], gzip.compress(GOOD) + b"x", b""]
)
def test_what_is_no_gzip_is_refused(web: WebHouse, spoiled: bytes) -> None:
    assert refusal(sent(web, spoiled, **{"Content-Encoding": "gzip"})) == "Z003"


def test_an_empty_body_is_an_upload_refused(web: WebHouse) -> None:
    assert refusal(sent(web, b"")).startswith("Y")


def test_other_encodings_are_told(web: WebHouse) -> None:
    answer = sent(web, GOOD, **{"Content-Encoding": "br"})
    assert answer.status_code == 415
    assert answer.headers["accept-encoding"] == "gzip"


def test_a_form_is_no_upload(web: WebHouse) -> None:
    """``curl -F``: its bytes would be archived and refused for what stands around the XML."""
    for path in ("/api/v1/uploads", "/api/v1/checks"):
        answer = web.client(X).post(path, files={"file": ("visits.xml", GOOD)})
        assert (answer.status_code, answer.json()["type"]) == (415, "/problems/unsupported-media")


def test_bodies_that_are_no_uploads_are_small(web: WebHouse) -> None:
    answer = web.client(X).post(
        "/api/v1/visits/search", json={"treatment_id": "x" * MOST}, headers={}
    )
    assert answer.status_code == 413


def test_bodies_under_way_have_a_budget(web: WebHouse) -> None:
    """One that would exceed it is turned away; afterwards everything is given back."""
    with connected(web) as first, connected(web) as second:
        for one in (first, second):
            one.sendall(head(web, 2 * MOST) + b" " * (2 * MOST - 1))
        turned_away = answer_of(second) if wait_for(lambda: peek(second) != b"") else b""
        busy = turned_away if b"503" in turned_away else answer_of(first)
        assert b" 503 " in busy.split(b"\r\n")[0] + b" "
        assert b"retry-after: 5" in busy
        assert b"/problems/closed" in busy
    assert wait_for(lambda: web.house.budget.held == 0)
    assert sent(web, GOOD).json()["status"] == "done"


def test_nobody_uses_up_the_budget_of_uploads(web: WebHouse) -> None:
    """Bodies of questions are read before who asks is known: they don't count."""
    with ExitStack() as stack:
        for _ in range(50):
            nobody = stack.enter_context(connected(web))
            nobody.sendall(
                b"POST /api/v1/visits/search HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: application/json\r\nContent-Length: 65535\r\n\r\n" + b" " * 65_000
            )
        assert sent(web, padded(MOST // 2)).status_code == 202


def test_others_have_their_turn_between_two_pieces(web: WebHouse) -> None:
    """Also where all of a body is there already: a form's parser may take long for each piece."""
    pieces, turns = 100, 0

    async def here(_: Scope, receive: Receive, __: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    async def piece() -> Message:
        nonlocal pieces
        pieces -= 1
        return {"type": "http.request", "body": b"\r", "more_body": pieces > 0}

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def all_of_it() -> None:
        beside = asyncio.create_task(others())
        headers = [(b"transfer-encoding", b"chunked")]
        scope = {"type": "http", "path": "/send", "headers": headers}
        await body.BoundedBody(here, web.house)(scope, piece, lambda _: asyncio.sleep(0))
        beside.cancel()

    run_apart(all_of_it())
    assert pieces == 0
    assert turns >= 100


def test_a_slow_body_is_given_up(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "IDLE_SECONDS", 0.3)
    with connected(web) as slow:
        slow.sendall(head(web, 1000) + b"<RECS>")
        answer = answer_of(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"] == "/problems/too-slow"


def test_a_body_that_trickles_is_given_up(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body, "GRACE_SECONDS", 0.5)
    with connected(web) as slow:
        slow.sendall(head(web, 1000))
        began = time.monotonic()
        while not peek(slow) and time.monotonic() - began < 20:
            slow.sendall(b" ")
            time.sleep(0.05)
        assert answer_of(slow).startswith(b"HTTP/1.1 408 ")


def test_a_body_that_ends_early_leaves_nothing(web: WebHouse) -> None:
    client = web.client(X)
    before = client.get("/api/v1/uploads").json()
    with connected(web) as gone:
        gone.sendall(head(web, len(GOOD)) + GOOD[:-1])
    assert wait_for(lambda: web.house.budget.held == 0)
    assert client.get("/api/v1/uploads").json() == before


def test_a_client_may_wait_to_be_asked_for_its_body(web: WebHouse) -> None:
    with connected(web) as patient:
        patient.sendall(head(web, len(GOOD), b"Expect: 100-continue\r\n"))
        assert patient.recv(100).startswith(b"HTTP/1.1 100 ")
        patient.sendall(GOOD)
        assert answer_of(patient).startswith(b"HTTP/1.1 202 ")
    with connected(web) as turned_away:
        turned_away.sendall(head(web, 9 * MOST, b"Expect: 100-continue\r\n"))
        assert answer_of(turned_away).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: -1\r\n",
                b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                b"Transfer-Encoding: chunked, gzip\r\n"],
)  # fmt: skip
def test_a_body_of_doubtful_length_is_not_taken(web: WebHouse, framing: bytes) -> None:
    with connected(web) as doubtful:
        doubtful.sendall(head(web, None, framing) + b"5\r\n<REC>\r\n0\r\n\r\n")
        assert answer_of(doubtful)[:12] in (b"HTTP/1.1 400", b"")


def test_a_head_too_large_or_too_slow_is_given_up(
    web: WebHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(web) as large:
        large.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: ")
        for _ in range(protocol.MOST_HEAD_BYTES // 4096):
            large.sendall(b"y" * 4096)
        assert answer_of(large).startswith(b"HTTP/1.1 400 ")
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    with connected(web) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\n")
        assert slow.recv(100) == b""


def head(web: WebHouse, length: int | None, more: bytes = b"") -> bytes:
    """The head of a request that sends an upload."""
    told = b"" if length is None else b"Content-Length: %d\r\n" % length
    key = web.keys[X].encode()
    return (
        b"POST /api/v1/uploads?wait=20 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        b"Authorization: Bearer " + key + b"\r\n" + told + more + b"\r\n"
    )


def connected(web: WebHouse) -> socket.socket:
    url = httpx.URL(web.url)
    return socket.create_connection((url.host, url.port), timeout=30)


def peek(one: socket.socket) -> bytes:
    """What has been answered so far, left where it is."""
    one.setblocking(False)
    try:
        return one.recv(1 << 16, socket.MSG_PEEK)
    except BlockingIOError:
        return b""
    finally:
        one.settimeout(30)


def answer_of(one: socket.socket) -> bytes:
    """All that is answered until they hang up."""
    got = b""
    try:
        while piece := one.recv(1 << 16):
            got += piece
    except ConnectionResetError:
        return got
    return got


def wait_for(true: Callable[[], bool], seconds: float = 10) -> bool:
    """Whether something becomes true in time."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if true():
            return True
        time.sleep(0.02)
    return False
