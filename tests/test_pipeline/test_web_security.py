"""What every answer carries, whom it is for, and what is written down about it."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from visit_records import PERSON, upload
from web_house import PASSWORD, XML, WebHouse, X, good_visit, served, web_house

from pipeline.json_log import JsonLines
from pipeline.settings import Settings
from pipeline.web.app import create_app
from pipeline.web.house import Doorway

PATHS = ("/", "/sign-in", "/api/docs", "/api/openapi.json", "/api/v1/uploads", "/healthz", "/nope",
         "/api/v1/nope", "/problems/closed", "/codes/AA")  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_guarded(web: WebHouse, path: str) -> None:
    headers = web.client().get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "camera=()" in headers["permissions-policy"]
    assert "server" not in headers
    assert "strict-transport-security" not in headers


@pytest.mark.parametrize(
    ("given", "kept"), [("trace-0123456789", True), ("a b", False), ("x" * 65, False), ("", False)]
)
def test_a_request_has_an_id(web: WebHouse, given: str, kept: bool) -> None:
    said = web.client().get("/healthz", headers={"X-Request-Id": given}).headers["x-request-id"]
    assert (said == given) == kept
    assert len(said) >= 16


def test_our_own_faults_say_nothing_but_that(
    web: WebHouse, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(web.house)

    @app.get("/api/broken")
    def broken() -> None:
        raise ValueError(f"about {PERSON}")

    with served(app) as url, httpx.Client(base_url=url) as client:
        answer = client.get("/api/broken")
    assert answer.status_code == 500
    assert answer.json()["type"] == "/problems/our-fault"
    assert answer.headers["content-security-policy"]
    assert PERSON not in answer.text + caplog.text
    assert "ValueError, test_web_security.py" in caplog.text


def test_the_access_log_names_no_person_and_no_secret(
    web: WebHouse, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    record = good_visit(X, PERSON, 30)
    upload_id = web.send(X, record, name=f"{PERSON}.xml")
    web.commit()
    client = web.client(X)
    assert client.get(f"/api/v1/visits/{record.id}").status_code == 200
    client.get(f"/api/v1/uploads/{upload_id}", params={"wait": 1})
    web.browser(X)
    lines = [r.getMessage() for r in caplog.records if r.name == "pipeline.web.access"]
    told = "\n".join(lines)
    for secret in (record.id, PERSON, PASSWORD, web.keys[X], web.keys[X][13:]):
        assert secret not in told
    entries = [json.loads(line) for line in lines]
    seen = next(one for one in entries if one["route"] == "/api/v1/visits/{treatment_id}")
    assert (seen["status"], seen["institution"], seen["method"]) == (200, X, "GET")
    assert seen["by"] == f"key:{web.keys[X][4:12]}"
    assert {"request", "ms"} <= seen.keys()


def test_a_line_of_the_log_is_an_object() -> None:
    def line(name: str, text: str) -> dict[str, Any]:
        record = logging.LogRecord(name, logging.INFO, "x.py", 1, text, None, None)
        said: dict[str, Any] = json.loads(JsonLines().format(record))
        return said

    assert line("pipeline.web.access", '{"status":200}')["status"] == 200
    said = line("pipeline.x", 'a "quoted"\nmessage')
    assert said["message"] == 'a "quoted"\nmessage'
    assert said["at"].endswith("+08:00")


def test_an_institution_may_ask_only_so_often(tmp_path: Path) -> None:
    few = Settings(rate_uploads="2/minute", rate_requests="5/minute")
    with web_house(tmp_path, few) as web:
        body, client = upload([good_visit()]), web.client(X)
        sent = [client.post("/api/v1/uploads", content=body, headers=XML) for _ in range(3)]
        assert [answer.status_code for answer in sent] == [202, 202, 429]
        assert 1 <= int(sent[2].headers["retry-after"]) <= 60
        assert sent[2].headers["ratelimit-policy"] == '"uploads";q=2;w=60'
        assert sent[0].headers["ratelimit"].startswith('"uploads";r=1;t=')
        asked = [client.get("/api/v1/uploads") for _ in range(3)]
        assert [answer.status_code for answer in asked] == [200, 200, 429]
        as_vendor = web.client(web.vendor, **{"X-NHI-Institution": X})
        assert as_vendor.get("/api/v1/uploads").status_code == 429
        assert web.client("3599019970").get("/api/v1/uploads").status_code == 200


def test_whoever_guesses_keys_is_slowed_down(tmp_path: Path) -> None:
    with web_house(tmp_path) as web:
        guessing = web.client("nhi_aaaaaaaa_" + "b" * 43)
        told = [guessing.get("/api/v1/uploads").status_code for _ in range(62)]
        assert told == [401] * 60 + [429] * 2
        assert int(guessing.get("/api/v1/uploads").headers["retry-after"]) >= 1
        assert web.client(X).get("/api/v1/uploads").status_code == 200


@pytest.fixture(scope="module")
def behind_proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """Published as clinic.example by a proxy on this machine."""
    doorway = Doorway(frozenset({"clinic.example"}), ("127.0.0.0/8",), https=True)
    with web_house(tmp_path_factory.mktemp("proxied"), doorway=doorway) as web:
        yield web


def test_only_the_published_name_is_answered_to(behind_proxy: WebHouse) -> None:
    client = behind_proxy.client()

    def asked(host: str, path: str = "/sign-in") -> int:
        return client.get(path, headers={"Host": host}).status_code

    assert asked("clinic.example") == asked("CLINIC.example:443") == 200
    assert asked("evil.example") == asked("clinic.example.evil") == asked("[::1]") == 421
    assert asked("10.1.2.3", "/healthz") == 200


def test_by_https_cookies_and_headers_are_for_https(behind_proxy: WebHouse) -> None:
    client = behind_proxy.client(Host="clinic.example")
    page = client.get("/sign-in", headers={"X-Forwarded-Proto": "https"})
    assert page.headers["strict-transport-security"].startswith("max-age=")
    for cookie in page.headers.get_list("set-cookie"):
        assert "Secure" in cookie


def test_the_proxy_tells_the_address_and_hides_the_metrics(behind_proxy: WebHouse) -> None:
    as_sent = {"Host": "clinic.example", "X-Forwarded-For": "203.0.113.9, 198.51.100.7"}
    client = behind_proxy.client(X)
    answer = client.post(
        "/api/v1/uploads", params={"wait": 20}, content=upload([good_visit()]), headers=as_sent
    )
    assert answer.status_code == 202
    log = Path(behind_proxy.house.store_uri) / "intake.sqlite"
    with closing(sqlite3.connect(log)) as told:
        assert told.execute("SELECT address FROM upload").fetchall() == [("198.51.100.7",)]
    assert client.get("/metrics", headers=as_sent).status_code == 404


def test_without_a_proxy_nobody_says_where_they_come_from(web: WebHouse) -> None:
    lying = {"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"}
    assert web.client().get("/metrics", headers=lying).status_code == 200


def test_health_is_told(web: WebHouse) -> None:
    client = web.client()
    assert client.get("/healthz").json() == {"status": "alive"}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (200, "ready")
    web.send(X, good_visit(X, PERSON, 50))
    told = client.get("/metrics").text
    assert 'nhi_upload_uploads_total{channel="web-api",mode="official",status="done"}' in told
    assert "nhi_upload_stage_seconds_bucket" in told


def test_a_service_that_is_stopping_is_not_ready(tmp_path: Path) -> None:
    with web_house(tmp_path) as web:
        web.house.service.settling.stop()
        answer = web.client().get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"]["door"] is False
        sent = web.client(X).post("/api/v1/uploads", content=upload([good_visit()]), headers=XML)
        assert sent.status_code == 503
        assert sent.json()["type"] == "/problems/closed"
        assert int(sent.headers["retry-after"]) >= 1


@pytest.mark.parametrize("path", ["/healthz", "/sign-in", "/api/v1/codes/AA", "/nope"])
def test_head_is_get_without_its_body(web: WebHouse, path: str) -> None:
    client = web.client()
    asked, told = client.get(path), client.head(path)
    assert told.status_code == asked.status_code
    assert told.headers["content-type"] == asked.headers["content-type"]
    assert told.content == b""
