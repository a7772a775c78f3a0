"""Uploads by the API: sent, answered, listed; what isn't theirs is not there."""

from __future__ import annotations

import gzip
from datetime import datetime
from threading import Thread
from typing import Any

import httpx
import pytest
from visit_records import PERSON, upload
from web_house import XML, WebHouse, X, Y, Z, bad_visit, good_visit

from pipeline.web.api.report_shapes import Comparison, History
from pipeline.web.api.shapes import ListedUpload, Problem, Taken, Upload, UploadList

GOOD = upload([good_visit(X, PERSON, 7)])
BAD = upload([bad_visit(X, PERSON, 8)])


def sent(client: httpx.Client, body: bytes = GOOD, **asked: Any) -> httpx.Response:
    headers = XML | asked.pop("headers", {})
    return client.post("/api/v1/uploads", content=body, headers=headers, params=asked)


def problem(answer: httpx.Response, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    told = Problem.model_validate(answer.json())
    assert told.status == status
    assert told.request_id == answer.headers["x-request-id"]
    return told


def test_a_ticket_at_once_and_the_verdict_at_its_place(web: WebHouse) -> None:
    client = web.client(X)
    answer = sent(client, BAD)
    assert answer.status_code == 202
    ticket = Taken.model_validate(answer.json())
    assert (ticket.status, ticket.receipt) == ("waiting", None)
    assert datetime.fromisoformat(answer.json()["received_at"]) == web.clock()
    assert answer.headers["location"] == f"/api/v1/uploads/{ticket.upload_id}"
    told = client.get(answer.headers["location"], params={"wait": 20}).json()
    found = Upload.model_validate(told)
    assert found.status == "done"
    assert found.receipt
    assert found.receipt.counts.records_rejected == 1
    assert found.receipt.findings[0].message_zh


@pytest.mark.parametrize("way", [{"wait": 20}, {"headers": {"Prefer": "respond-async, wait=20"}}])
def test_the_verdict_is_waited_for(web: WebHouse, way: dict[str, Any]) -> None:
    answer = sent(web.client(X), BAD, **way)
    taken = Taken.model_validate(answer.json())
    assert answer.status_code == 202
    assert taken.receipt
    assert taken.receipt.counts.records == 1
    assert answer.headers.get("preference-applied") == ("wait=20" if "headers" in way else None)


def test_gzip_is_the_same_upload(web: WebHouse) -> None:
    client = web.client(X)
    plain = sent(client, GOOD, wait=20).json()
    packed = sent(client, gzip.compress(GOOD), wait=20, headers={"Content-Encoding": "gzip"})
    assert packed.json()["receipt"]["sha256"] == plain["receipt"]["sha256"]
    assert packed.json()["upload_id"] != plain["upload_id"]


def test_an_idempotency_key_gets_its_first_answer_again(web: WebHouse) -> None:
    client, key = web.client(X), {"Idempotency-Key": "evening-1"}
    first = sent(client, headers=key, wait=20)
    again = sent(client, headers=key)
    assert "idempotent-replayed" not in first.headers
    assert (again.status_code, again.headers["idempotent-replayed"]) == (202, "true")
    assert again.json() == first.json()
    assert problem(sent(client, BAD, headers=key), 422).type == "/problems/key-reused"
    assert problem(sent(client, headers=key, mode="precheck"), 422).type == "/problems/key-reused"
    assert sent(web.client(Y), headers=key).json()["upload_id"] != first.json()["upload_id"]


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "鍵".encode()])
def test_what_is_no_idempotency_key_is_told(web: WebHouse, key: str | bytes) -> None:
    told = problem(sent(web.client(X), headers={"Idempotency-Key": key}), 422)
    assert told.errors
    assert told.errors[0].name.lower() == "idempotency-key"


@pytest.mark.parametrize(
    "query", ["mod=precheck", "mode=Precheck", "wait=31", "wait=-1", "mode=official&mode=precheck"]
)
def test_a_mistyped_parameter_sends_nothing(web: WebHouse, query: str) -> None:
    client = web.client(X)
    before = client.get("/api/v1/uploads").json()["uploads"]
    answer = client.post(f"/api/v1/uploads?{query}", content=GOOD, headers=XML)
    told = problem(answer, 422)
    assert told.errors
    assert told.errors[0].in_ == "query"
    assert client.get("/api/v1/uploads").json()["uploads"] == before


def test_the_list_has_all_pages_and_no_upload_twice(web: WebHouse) -> None:
    ids = {web.send(Z, good_visit(Z, PERSON, 100 + n), name=f"{n}.xml") for n in range(5)}
    client, seen, cursor = web.client(Z), list[ListedUpload](), None
    while True:
        asked = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = UploadList.model_validate(client.get("/api/v1/uploads", params=asked).json())
        seen += page.uploads
        cursor = page.cursor
        if cursor is None:
            break
    assert len(seen) == len({one.upload_id for one in seen})
    assert ids <= {one.upload_id for one in seen}
    assert seen == sorted(seen, key=lambda one: (one.received_at, one.upload_id), reverse=True)
    problem(client.get("/api/v1/uploads", params={"cursor": "1~2"}), 422)
    day = {"from": "2025-12-22", "to": "2025-12-23"}
    assert client.get("/api/v1/uploads", params=day).json()["uploads"] == []


def test_a_list_while_uploads_come_in_shows_each_once(web: WebHouse) -> None:
    done, wrong = list[str](), list[object]()

    def look() -> None:
        client = web.client(Y)
        while len(done) < 12:
            before = set(done)
            told = [u["upload_id"] for u in client.get("/api/v1/uploads").json()["uploads"]]
            if len(told) != len(set(told)) or not before <= set(told):
                wrong.append(told)

    looking = Thread(target=look)
    looking.start()
    for n in range(12):
        answer = sent(web.client(Y), upload([good_visit(Y, PERSON, 200 + n)]))
        done.append(answer.json()["upload_id"])
    looking.join()
    assert wrong == []


def test_whoever_is_nobody_learns_nothing(web: WebHouse) -> None:
    upload_id = web.send(X, good_visit(X, PERSON, 9))
    for key in (None, "nhi_aaaaaaaa_" + "b" * 43, "x"):
        answer = web.client(key).get(f"/api/v1/uploads/{upload_id}")
        assert problem(answer, 401).type == "/problems/sign-in-needed"
        assert answer.headers["www-authenticate"].startswith("Bearer")


def test_others_uploads_are_not_there(web: WebHouse) -> None:
    upload_id = web.send(X, good_visit(X, PERSON, 10))
    of_x, of_none = (
        problem(web.client(Y).get(f"/api/v1/uploads/{one}"), 404).model_dump(exclude={"request_id"})
        for one in (upload_id, "01KD0FXM405A2YGTBXEF5P1F7W")
    )
    assert of_x == of_none


def test_a_vendor_names_the_institution(web: WebHouse) -> None:
    vendor = web.client(web.vendor)
    assert problem(sent(vendor), 400).detail_zh
    assert sent(vendor, headers={"X-NHI-Institution": X}, wait=20).json()["status"] == "done"
    problem(sent(vendor, headers={"X-NHI-Institution": Y}), 404)
    of_z = web.send(Z, good_visit(Z, PERSON, 11))
    assert vendor.get(f"/api/v1/uploads/{of_z}").status_code == 200
    as_x = {"X-NHI-Institution": X}
    problem(vendor.get(f"/api/v1/uploads/{of_z}", headers=as_x), 404)


def test_a_check_keeps_nothing_and_says_the_same(web: WebHouse) -> None:
    client = web.client(X)
    before = client.get("/api/v1/uploads").json()
    said = client.post("/api/v1/checks", content=BAD, headers=XML).json()
    assert client.get("/api/v1/uploads").json() == before
    receipt = sent(client, BAD, wait=20).json()["receipt"]
    places = [(f["record"], f["field"], f["code"], f["offset"]) for f in receipt["findings"]]
    assert [(f["record"], f["field"], f["code"], f["offset"]) for f in said["findings"]] == places


def test_the_history_of_a_visit(web: WebHouse) -> None:
    record = good_visit(X, PERSON, 12)
    ids = [web.send(X, record), web.send(X, record.but(M44="0000593"))]
    web.commit()
    asked = {"treatment_id": record.id}
    answer = web.client(X).post("/api/v1/visits/search", json=asked)
    told = History.model_validate(answer.json())
    assert [version.upload.upload_id for version in told.versions] == ids
    assert told.stands
    assert told.stands.upload_id == ids[1]
    assert record.id not in answer.text
    assert PERSON not in answer.text
    problem(web.client(Y).post("/api/v1/visits/search", json=asked), 404)
    of_y, of_x = web.house.accounts.audit.rows(action="history.seen", limit=2)
    assert [of_y.institution, of_x.institution] == [Y, X]
    assert of_y.object == of_x.object == record.id[:6] + "*" * 14


def test_the_comparison_is_of_its_institution(web: WebHouse) -> None:
    web.send(X, good_visit(X, PERSON, 13), mode="precheck")
    told = web.client(X).get("/api/v1/reports/precheck", params={"as_of": "2025-12-22"})
    assert Comparison.model_validate(told.json()).institution == X


def test_ids_in_names_are_masked(web: WebHouse) -> None:
    upload_id = web.send(X, good_visit(X, PERSON, 14), name=f"{PERSON}.xml")
    for path in (f"/api/v1/uploads/{upload_id}", "/api/v1/uploads"):
        assert PERSON not in web.client(X).get(path).text
