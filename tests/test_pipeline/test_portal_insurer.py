"""The insurer's pages: who may open them, and that they say what is there."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from visit_records import PERSON
from web_house import (
    AUDITOR,
    INSURER,
    WebHouse,
    X,
    Y,
    Z,
    good_visit,
    hidden_fields,
    some_uploads,
)

PAGES = (
    "/insurer", "/insurer/institutions", f"/insurer/institutions/{X}", "/insurer/search",
    "/insurer/held", "/insurer/health",
)  # fmt: skip


@pytest.fixture(scope="module")
def uploads(web: WebHouse) -> dict[str, str]:
    return some_uploads(web)


@pytest.mark.parametrize("path", [*PAGES, "/insurer/audit", "/insurer/audit.csv"])
def test_only_the_insurer_has_them(web: WebHouse, uploads: dict[str, str], path: str) -> None:
    nobody = web.browser().get(path)
    assert (nobody.status_code, nobody.headers["location"].split("?")[0]) == (303, "/sign-in")
    assert web.browser(X).get(path).status_code == 404
    insurer = web.browser(INSURER).get(path).status_code
    assert insurer == (404 if "audit" in path else 200)
    assert web.browser(AUDITOR).get(path).status_code == 200


def test_the_day_in_numbers(web: WebHouse, uploads: dict[str, str]) -> None:
    text = web.browser(INSURER).get("/insurer").text
    numbers = re.findall(r"<dt>(.*?)</dt><dd>([\d,]+)", text)
    assert dict(numbers)["上傳"] == "3"
    assert dict(numbers)["院所"] == "3"
    assert dict(numbers)["就醫明細"] == "6"
    receipts = (web.client(one).get(f"/api/v1/uploads/{uploads[one]}").json() for one in uploads)
    rejected = sum(told["receipt"]["counts"]["records_rejected"] for told in receipts)
    assert dict(numbers)["退件明細"] == str(rejected)


def test_institutions_are_found_and_sorted(web: WebHouse, uploads: dict[str, str]) -> None:
    insurer = web.browser(INSURER)
    listed = re.compile(r'<th scope="row"><a class="mono" href="/insurer/institutions/(\w+)"')
    assert listed.findall(insurer.get("/insurer/institutions").text) == sorted((X, Y, Z))
    one = insurer.get("/insurer/institutions", params={"q": Y[:6].lower()}).text
    assert listed.findall(one) == [Y]
    for order in ("uploads", "rejected", "last", "held"):
        text = insurer.get("/insurer/institutions", params={"order": order}).text
        assert sorted(listed.findall(text)) == sorted((X, Y, Z))
        assert 'aria-sort="descending"' in text
    none = insurer.get("/insurer/institutions", params={"q": "99999"})
    assert "沒有符合的院所" in none.text
    assert insurer.get("/insurer/institutions", params={"order": "person"}).status_code == 422


def test_an_institution_and_its_uploads(web: WebHouse, uploads: dict[str, str]) -> None:
    insurer = web.browser(INSURER)
    text = insurer.get(f"/insurer/institutions/{X}").text
    assert f"/uploads/{uploads[X]}" in text
    assert uploads[Y] not in text
    before = insurer.get(f"/insurer/institutions/{X}", params={"from": "1130101", "to": "1130102"})
    assert "這段期間沒有上傳" in before.text
    assert "114/12/21" in before.text
    assert insurer.get("/insurer/institutions/0000000000").status_code == 404
    for wrong in ({"from": "someday"}, {"to": "13/13/13"}, {"from": "1141222", "to": "1141220"}):
        assert insurer.get(f"/insurer/institutions/{X}", params=wrong).status_code == 422


def search(web: WebHouse, text: str, who: str = INSURER) -> str:
    browser = web.browser(who)
    token = hidden_fields(browser.get("/insurer/search").text)
    answer = browser.post("/insurer/search", data={"text": text} | token)
    assert answer.status_code == 200
    return answer.text


def test_search_finds_by_id_hash_code_and_visit(web: WebHouse, uploads: dict[str, str]) -> None:
    assert f"/uploads/{uploads[X]}" in search(web, uploads[X].lower())
    digest = web.client(X).get(f"/api/v1/uploads/{uploads[X]}").json()["receipt"]["sha256"]
    assert f"/uploads/{uploads[X]}" in search(web, digest[:8])
    assert f"/insurer/institutions/{Y}" in search(web, Y[:4])
    treatment_id = good_visit(X, PERSON, 1).id
    found = search(web, f" {treatment_id} ", AUDITOR)
    assert f"/uploads/{uploads[X]}" in found
    assert "這筆就醫紀錄現在有效" in found
    assert treatment_id not in found
    assert "找不到" in search(web, "0" * 20)


def test_a_search_is_logged_without_the_id(web: WebHouse, uploads: dict[str, str]) -> None:
    treatment_id = good_visit(X, PERSON, 1).id
    search(web, treatment_id)
    (row,) = web.house.accounts.audit.rows(action="search", limit=1)
    assert row.details["kind"] == "treatment-id"
    (seen,) = web.house.accounts.audit.rows(action="history.seen", limit=1)
    for logged in (f"{row}", f"{seen}"):
        assert treatment_id not in logged
        assert PERSON[1:] not in logged


def test_a_search_without_token_is_refused(web: WebHouse) -> None:
    assert web.browser(INSURER).post("/insurer/search", data={"text": X}).status_code == 403
    clinic = web.browser(X)
    token = hidden_fields(clinic.get("/uploads").text)
    assert clinic.post("/insurer/search", data={"text": X} | token).status_code == 404


def test_the_insurer_sees_an_upload_masked(web: WebHouse, uploads: dict[str, str]) -> None:
    insurer = web.browser(INSURER)
    for path in (f"/uploads/{uploads[X]}", f"/uploads/{uploads[X]}/records/2"):
        text = insurer.get(path).text
        assert PERSON not in text
        assert good_visit(X, PERSON, 2).id not in text
    assert insurer.get(f"/precheck?institution={X}").status_code == 200
    assert insurer.get("/precheck").headers["location"] == "/insurer/institutions"
    assert insurer.get(f"/precheck/uploads.csv?as_of=1141222&institution={X}").status_code == 404


@pytest.fixture(scope="module")
def thirty(web: WebHouse) -> list[str]:
    """Three institutions' uploads that delete all their thirty visits of a month."""
    return [_deleting(web, one, minutes) for one, minutes in ((X, 20), (Y, 60), (Z, 100))]


def _deleting(web: WebHouse, institution: str, minutes: int) -> str:
    sent = [good_visit(institution, PERSON, minutes + n) for n in range(30)]
    web.send(institution, *sent)
    return web.send(institution, *(one.as_format("D") for one in sent))


def decide(web: WebHouse, upload_id: str, who: str = INSURER, **fields: str) -> tuple[int, str]:
    browser = web.browser(who)
    here = f"/insurer/held/{upload_id}"
    token = hidden_fields(browser.get("/insurer/search").text)
    answer = browser.post(here, data=token | fields)
    following = answer.headers.get("location")
    return answer.status_code, browser.get(following).text if following else answer.text


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Until the tables have it: they follow within the commit's half second."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def held_ids(web: WebHouse) -> list[str]:
    text = web.browser(INSURER).get("/insurer/held").text
    return re.findall(r'<th scope="row"><a href="/insurer/held/(\w+)"', text)


def test_held_uploads_are_decided_once(web: WebHouse, thirty: list[str]) -> None:
    first, second, third = thirty
    wait_for(lambda: set(thirty) <= set(held_ids(web)))
    asked = web.browser(INSURER).get(f"/insurer/held/{first}").text
    assert "30" in asked
    assert decide(web, first, decision="release", reason="no")[0] == 422
    assert decide(web, first, decision="perhaps", reason="asked them all")[0] == 422
    status, confirming = decide(web, first, decision="release", reason="asked <b>them</b>")
    assert status == 200
    assert "無法復原" in confirming
    assert "<b>them</b>" not in confirming
    assert first in held_ids(web)
    given = {"decision": "release", "reason": "asked them by phone", "confirmed": "1"}
    status, after = decide(web, first, **given)
    assert (status, "已放行" in after) == (303, True)
    status, after = decide(web, first, **given | {"decision": "drop"})
    assert (status, "先前已有決定" in after) == (303, True)
    (row,) = web.house.accounts.audit.rows(object=first, limit=1)
    assert row.action == "held.released"
    assert row.institution == X
    assert row.details == {
        "reason": "asked them by phone", "visit_month": "2025-12", "deletes": 30,
        "live": row.details["live"],
    }  # fmt: skip
    status, after = decide(web, second, **given | {"decision": "drop"})
    assert (status, "已作廢" in after) == (303, True)
    assert web.client(X).get(f"/api/v1/uploads/{first}").json()["status"] == "done"
    assert web.client(Y).get(f"/api/v1/uploads/{second}").json()["status"] == "dropped"
    assert decide(web, third, AUDITOR, **given)[0] == 404
    assert web.client(Z).get(f"/api/v1/uploads/{third}").json()["status"] == "held"
    assert "稽核人員只能查看" in web.browser(AUDITOR).get(f"/insurer/held/{third}").text


def test_only_held_uploads_are_decided(web: WebHouse, uploads: dict[str, str]) -> None:
    given = {"decision": "drop", "reason": "by mistake", "confirmed": "1"}
    assert decide(web, "0" * 26, **given)[0] == 404
    assert web.browser(INSURER).get(f"/insurer/held/{'0' * 26}").status_code == 404
    decide(web, uploads[X], **given)
    assert web.client(X).get(f"/api/v1/uploads/{uploads[X]}").json()["status"] == "done"
    clinic = web.browser(X)
    token = hidden_fields(clinic.get("/uploads").text)
    answer = clinic.post(f"/insurer/held/{uploads[X]}", data=given | token)
    assert answer.status_code == 404
