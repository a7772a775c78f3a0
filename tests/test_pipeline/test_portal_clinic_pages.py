"""The clinic's pages without a browser: results, records, downloads, histories, the account."""

from __future__ import annotations

import re
from datetime import date, datetime

import httpx
import pytest
from visit_records import PERSON, SOMEBODY_ELSE, TAIPEI
from web_house import (
    AUDITOR,
    INSURER,
    NAMES,
    PASSWORD,
    WebHouse,
    X,
    Y,
    bad_visit,
    good_visit,
    hidden_fields,
)

from pipeline.accounts.who import OPERATOR
from pipeline.web.portal.dates import read_day
from pipeline.web.portal.page import moment_text, visit_moment_text

NEW_PASSWORD = "harbour-violin-moss-77"


def posted(client: httpx.Client, page: str, path: str, **fields: str) -> httpx.Response:
    """A form of a page, sent."""
    return client.post(path, data=hidden_fields(client.get(page).text) | fields)


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("113/03/20", date(2024, 3, 20)),
        ("1130320", date(2024, 3, 20)),
        ("113.3.20", date(2024, 3, 20)),
        ("民國113年3月20日", date(2024, 3, 20)),
        ("１１３／０３／２０", date(2024, 3, 20)),
        ("2024-03-20", date(2024, 3, 20)),
        ("20240320", date(2024, 3, 20)),
        ("99/12/31", date(2010, 12, 31)),
        ("113/02/30", None),
        ("113", None),
        ("0/1/1", None),
        ("yesterday", None),
        ("9999999", None),
    ],
)
def test_days_as_people_write_them(text: str, day: date | None) -> None:
    assert read_day(text) == day


def test_moments_as_people_read_them() -> None:
    moment = datetime(2024, 3, 20, 21, 0, tzinfo=TAIPEI)
    assert moment_text(moment, "zh") == "113/03/20 21:00"
    assert moment_text(moment, "en") == "2024-03-20 21:00"
    assert visit_moment_text("1130320093015", "zh") == "113/03/20 09:30"
    assert visit_moment_text("1130320093015", "en") == "2024-03-20 09:30"
    for strange in ("", "113", "1139920093015"):
        assert visit_moment_text(strange, "zh") == strange


@pytest.fixture(scope="module")
def many(web: WebHouse) -> str:
    """An upload with thirty records with a finding and one without."""
    records = [bad_visit(X, PERSON, minutes) for minutes in range(30)]
    records[3] = records[3].but(M44="380", M35=None)
    return web.send(X, *records, good_visit(X, PERSON, 31), name="三十.xml")


def test_records_are_paged_and_chosen(web: WebHouse, many: str) -> None:
    client = web.browser(X)
    first = client.get(f"/uploads/{many}").text
    assert first.count('<li id="r') == 25
    assert "第 1 頁，共 2 頁" in first
    assert 'id="r26"' in client.get(f"/uploads/{many}", params={"page": 2}).text
    assert 'id="r26"' in client.get(f"/uploads/{many}", params={"page": 99}).text
    chosen = client.get(f"/uploads/{many}", params={"field": "M35"}).text
    assert chosen.count('<li id="r') == 1
    assert 'id="r4"' in chosen
    rejected = client.get(f"/uploads/{many}", params={"severity": "reject", "page": 2}).text
    assert rejected.count('<li id="r') == 5
    assert client.get(f"/uploads/{many}", params={"severity": "warn"}).text.count('<li id="r') == 0
    assert client.get(f"/uploads/{many}", params={"code": "<i>"}).text.count('<li id="r') == 0


def test_a_record_shows_what_was_sent(web: WebHouse, many: str) -> None:
    client = web.browser(X)
    page = client.get(f"/uploads/{many}/records/4")
    assert page.status_code == 200
    assert '<mark class="reject absent"' in page.text
    record = bad_visit(X, PERSON, 3)
    for secret in ("M03", "M04", "M15"):
        assert record.fields[secret] not in page.text
    (seen,) = web.house.accounts.audit.rows(action="record.seen", limit=1)
    assert (seen.object, seen.institution, seen.detail) == (many, X, '{"record":4}')
    assert "沒有問題" in client.get(f"/uploads/{many}/records/31").text
    web.commit()
    history = client.get(f"/uploads/{many}/records/4/visit").text
    assert "送過，但還沒有收下" in history
    assert record.id not in history
    for number in ("0", "32", "x", "99999999999999999999"):
        assert client.get(f"/uploads/{many}/records/{number}").status_code in (404, 422)


def test_what_is_anothers_is_not_there(web: WebHouse, many: str) -> None:
    stranger = web.browser(Y)
    nothing = stranger.get("/uploads/01KD0FXM40EH17RBM8YM2SCN7X")
    assert nothing.status_code == 404
    for path in ("", "/state", "/records/1", "/records/1/visit", "/errors.csv", "/receipt.txt"):
        answer = stranger.get(f"/uploads/{many}{path}")
        assert answer.status_code == 404
        assert many not in answer.text.replace(f"/uploads/{many}{path}", "")
    for path in ("reopen", "download"):
        answer = posted(stranger, "/account", f"/uploads/{many}/{path}")
        assert answer.status_code == 404


def test_the_insurer_sees_it_masked_and_noted(web: WebHouse, many: str) -> None:
    insurer = web.browser(INSURER)
    page = insurer.get(f"/uploads/{many}").text
    assert X in page
    assert "已遮罩" in page
    assert "只需重送" not in page
    assert PERSON not in page
    (seen,) = web.house.accounts.audit.rows(action="upload.seen", limit=1)
    assert (seen.object, seen.institution) == (many, X)
    assert PERSON not in insurer.get(f"/uploads/{many}/errors.csv").text


def test_downloads_end_and_are_asked_for_again(web: WebHouse, many: str) -> None:
    client = web.browser(X)
    csv = client.get(f"/uploads/{many}/errors.csv")
    assert csv.headers["content-disposition"] == f'attachment; filename="{many}-errors.csv"'
    assert bad_visit(X, PERSON, 3).fields["M15"] in csv.text
    web.clock.forward(days=15)
    try:
        client = web.browser(X)
        page = client.get(f"/uploads/{many}").text
        assert "申請重新下載" in page
        assert "errors.csv" not in page
        ended = client.get(f"/uploads/{many}/errors.csv")
        assert ended.status_code == 410
        assert "下載期限已過" in ended.text
        again = posted(client, f"/uploads/{many}", f"/uploads/{many}/reopen")
        assert again.status_code == 303
        assert "已重新開放下載" in client.get(f"/uploads/{many}").text
        assert client.get(f"/uploads/{many}/errors.csv").status_code == 200
    finally:
        web.clock.forward(days=-15)


def test_the_history_of_a_visit(web: WebHouse) -> None:
    right = good_visit(X, SOMEBODY_ELSE, 40)
    for record in (right, right.but(M44="700"), right.broken(), right.as_format("D")):
        web.send(X, record)
        web.clock.forward(minutes=1)
    web.commit()
    client = web.browser(X)
    page = posted(client, "/visits", "/visits", **{"treatment-id": f" {right.id.lower()} "}).text
    assert "這筆就醫紀錄已刪除" in page
    assert re.findall(r'<li class="(good|bad|warn)">', page) == ["good", "good", "bad", "good"]
    assert "後來由第 2 次取代" in page
    assert "後來由第 4 次刪除" in page
    assert right.id not in page
    (seen,) = web.house.accounts.audit.rows(action="history.seen", limit=1)
    assert seen.institution == X
    assert right.id not in seen.object
    stranger = posted(web.browser(Y), "/visits", "/visits", **{"treatment-id": right.id})
    assert "沒有上傳過這個就醫識別碼" in stranger.text
    wrong = posted(client, "/visits", "/visits", **{"treatment-id": "G2W4"})
    assert wrong.status_code == 422


def test_results_are_listed_by_days(web: WebHouse, many: str) -> None:
    client = web.browser(X)
    assert many in client.get("/uploads").text
    assert many in client.get("/uploads?from=114/12/21&to=1141221&mode=official").text
    assert many not in client.get("/uploads?mode=precheck").text
    empty = client.get("/uploads?from=114/11/01&to=114/11/02").text
    assert "這段期間沒有上傳" in empty
    assert "最近一次收件是" in empty
    assert client.get("/uploads?from=abc").status_code == 422
    assert client.get("/uploads?from=100/1/1&to=114/1/1").status_code == 422
    assert client.get("/uploads?after=abc").status_code == 404


@pytest.mark.parametrize(
    ("who", "address"),
    [
        (X, "/uploads?from={0}&to={0}"),
        (X, "/precheck?as_of={0}"),
        (AUDITOR, "/insurer/audit?to={0}"),
    ],
)
@pytest.mark.parametrize("day", ["9999-12-31", "2199-12-31", "01/01/01"])
def test_no_day_is_too_far_away(web: WebHouse, who: str, address: str, day: str) -> None:
    assert web.browser(who).get(address.format(day)).status_code in (200, 422)


def test_signing_in_and_out(web: WebHouse) -> None:
    client = web.browser()
    led = client.get("/send")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Fsend")
    form = {"name": NAMES[X], "password": PASSWORD, "next": "/send"}
    assert client.post("/sign-in", data=form).status_code == 403
    wrong = posted(client, "/sign-in", "/sign-in", name=NAMES[X], password="nothing like it 1")
    assert wrong.status_code == 422
    assert "帳號或密碼不正確" in wrong.text
    assert "nothing like it" not in wrong.text
    done = posted(client, "/sign-in?next=/send", "/sign-in", **form)
    assert done.headers["location"] == "/send"
    assert client.post("/sign-out").status_code == 403
    kept = dict(client.cookies)
    out = posted(client, "/account", "/sign-out")
    assert out.headers["location"] == "/sign-in"
    assert "您已登出" in client.get("/sign-in").text
    client.cookies.update(kept)
    assert client.get("/account").status_code == 303


@pytest.mark.parametrize(
    "place", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere.example", "/\n//a"]
)
def test_nobody_is_led_elsewhere(web: WebHouse, place: str) -> None:
    client = web.browser()
    form = {"name": NAMES[Y], "password": PASSWORD, "next": place}
    assert posted(client, "/sign-in", "/sign-in", **form).headers["location"] == "/uploads"


def test_a_temporary_password_is_changed_first(web: WebHouse) -> None:
    accounts = web.house.accounts
    accounts.create_account(
        OPERATOR, "newcomer", role="clinic", institution=Y, password=PASSWORD,
        must_change_password=True,
    )  # fmt: skip
    client = web.browser("newcomer")
    for path in ("/uploads", "/send", "/uploads/01KD0FXM40EH17RBM8YM2SCN7X", "/visits"):
        answer = client.get(path)
        assert (answer.status_code, answer.headers.get("location")) == (303, "/account")
    assert client.get("/codes").status_code == 200
    page = client.get("/account").text
    assert "暫時密碼" in page
    assert "API 金鑰" not in page
    made = posted(client, "/account", "/account/keys", name="x")
    assert made.headers.get("location") == "/account"
    for new, again, said in (
        (NEW_PASSWORD, "another", "不一樣"),
        ("short", "short", "字"),
        (PASSWORD, PASSWORD, "不同"),
    ):
        form = {"old": PASSWORD, "new": new, "again": again}
        answer = posted(client, "/account", "/account/password", **form)
        assert answer.status_code == 422
        assert said in answer.text
    form = {"old": "wrong", "new": NEW_PASSWORD, "again": NEW_PASSWORD}
    assert "目前的密碼不正確" in posted(client, "/account", "/account/password", **form).text
    changed = posted(client, "/account", "/account/password", **form | {"old": PASSWORD})
    assert changed.headers["location"] == "/uploads"
    assert client.get("/uploads").status_code == 200


def test_keys_are_shown_once_and_revoked(web: WebHouse) -> None:
    client = web.browser(Y)
    made = posted(client, "/account", "/account/keys", name="門診系統")
    assert made.status_code == 201
    (text,) = set(re.findall(r"nhi_[a-z0-9]{8}_[\w-]{43}", made.text))
    page = client.get("/account").text
    assert text not in page
    assert "門診系統" in page
    assert web.client(text).get("/api/v1/uploads").status_code == 200
    key_id = text[4:12]
    foreign = posted(web.browser(X), "/account", "/account/keys/revoke", key=key_id)
    assert foreign.status_code == 404
    revoked = posted(client, "/account", "/account/keys/revoke", key=key_id)
    assert revoked.headers["location"] == "/account#keys"
    assert web.client(text).get("/api/v1/uploads").status_code == 401
    assert posted(web.browser(INSURER), "/account", "/account/keys", name="x").status_code == 404


def test_an_ended_session_is_told(web: WebHouse) -> None:
    client = web.browser(Y)
    web.clock.forward(minutes=31)
    led = client.get("/uploads")
    assert led.headers["location"] == "/sign-in?next=%2Fuploads"
    assert "登入已結束" in client.get(led.headers["location"]).text
    assert "登入已結束" not in web.browser().get("/sign-in").text
    web.clock.forward(minutes=-31)


def test_other_devices_are_signed_out(web: WebHouse) -> None:
    here, there = web.browser(Y), web.browser(Y)
    assert posted(here, "/account", "/account/sessions/end").status_code == 303
    assert there.get("/uploads").status_code == 303
    assert here.get("/uploads").status_code == 200


def test_guessing_is_slowed(web: WebHouse) -> None:
    client = web.browser()
    for _ in range(11):
        answer = posted(client, "/sign-in", "/sign-in", name="nobody", password="wrong wrong 12")
    assert answer.status_code == 429
    assert "分鐘" in answer.text


def test_errors_are_pages_in_the_readers_language(web: WebHouse) -> None:
    client = web.browser(X)
    for lang, said in (("zh", "找不到這一頁"), ("en", "Page not found")):
        answer = client.get("/nothing", params={"lang": lang})
        assert answer.status_code == 404
        assert f"<h1>{said}</h1>" in answer.text
        assert "登出" in answer.text or "Sign out" in answer.text
    assert client.get("/nothing").headers["content-language"] == "en"


def test_a_fault_of_ours_is_a_page(web: WebHouse, monkeypatch: pytest.MonkeyPatch) -> None:
    client = web.browser(X)
    monkeypatch.setattr(type(web.house.desk), "results", lambda *_, **__: 1 / 0)
    answer = client.get("/uploads")
    assert answer.status_code == 500
    assert "系統發生錯誤" in answer.text
    assert answer.headers["x-request-id"] in answer.text
    assert "ZeroDivision" not in answer.text


@pytest.mark.parametrize("committed", [False, True], ids=["from memory", "from the tables"])
def test_an_empty_file_is_called_empty(web: WebHouse, committed: bool) -> None:
    upload_id = web.client(X).post("/api/v1/uploads?wait=20", content=b"").json()["upload_id"]
    if committed:
        web.commit()
    assert "檔案是空的" in web.browser(X).get(f"/uploads/{upload_id}").text
    assert upload_id in web.browser(X).get("/uploads").text
