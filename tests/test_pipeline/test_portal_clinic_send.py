"""The clinic's pages without a browser: what is taken in, and what its page says of it."""

from __future__ import annotations

import gzip
import io
import re
import time
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import httpx
import pytest
from settling_held import nothing_settled
from visit_records import PERSON, SOMEBODY_ELSE, upload
from web_house import INSURER, WebHouse, X, Y, bad_visit, good_visit, hidden_fields

from pipeline.desk.trial import Trials
from pipeline.report.answer import Answer

TOKEN = re.compile(r'name="csrf" value="([^"]+)"')


@pytest.fixture(scope="module")
def clinic(web: WebHouse) -> httpx.Client:
    return web.browser(X)


def sent(client: httpx.Client, *files: tuple[str, bytes], **fields: Any) -> httpx.Response:
    """What sending files by the form answers."""
    hidden = hidden_fields(client.get("/send").text)
    return client.post(
        "/send",
        data=hidden | {"mode": "official"} | fields,
        files=[("file", (name, data, "text/xml")) for name, data in files],
    )


def one(minutes: int, *, bad: bool = False) -> bytes:
    record = good_visit(X, PERSON, minutes)
    return upload([record.broken() if bad else record])


def settled(web: WebHouse, client: httpx.Client, path: str) -> str:
    """The page of an upload once its verdict is told."""
    web.house.service.outcomes.wait(path.rpartition("/")[2], 20)
    page = client.get(path)
    assert page.status_code == 200
    assert "data-waits" not in page.text
    return page.text


def kept(web: WebHouse, client: httpx.Client) -> tuple[list[str], int]:
    """The uploads that are listed, and the bytes of the archive."""
    listed = re.findall(r"/uploads/[0-9A-Z]{26}", client.get("/uploads").text)
    raw = Path(web.house.store_uri) / "raw"
    return listed, sum(file.stat().st_size for file in raw.rglob("*") if file.is_file())


def test_a_file_leads_to_its_page(web: WebHouse, clinic: httpx.Client) -> None:
    answer = sent(clinic, ("門診.xml", one(1, bad=True)))
    assert answer.status_code == 303
    page = settled(web, clinic, answer.headers["location"])
    assert "收下 0 筆，退件 1 筆" in page
    assert "門診.xml" in page


def test_a_page_waits_for_its_verdict(web: WebHouse, clinic: httpx.Client) -> None:
    with nothing_settled(web):
        path = sent(clinic, ("等.xml", one(2))).headers["location"]
        page = clinic.get(path).text
        assert "正在檢核" in page
        assert f'data-waits="{path}/state"' in page
        assert '<noscript><meta http-equiv="refresh"' in page
        listed = clinic.get("/uploads").text
        assert "檢核中" in listed
        assert clinic.get(f"{path}/errors.csv").status_code == 409
    web.house.service.outcomes.wait(path.rpartition("/")[2], 20)
    told = clinic.get(f"{path}/state").json()
    assert told == {
        "waiting": False, "tone": "good", "text": "檢核無誤：1 筆全部收下", "name": "等.xml",
    }  # fmt: skip


def test_a_fault_of_ours_asks_nothing_of_the_sender(web: WebHouse, clinic: httpx.Client) -> None:
    with nothing_settled(web):
        path = sent(clinic, ("怪.xml", one(20))).headers["location"]
        web.house.service.outcomes.failed([path.rpartition("/")[2]])
        page = clinic.get(path).text
        assert "系統檢核時發生問題" in page
        assert "不需要重送" in page
        assert "系統處理中" in clinic.get("/uploads").text
        assert clinic.get(f"{path}/state").json()["waiting"] is False


def test_packed_files(web: WebHouse, clinic: httpx.Client) -> None:
    path = sent(clinic, ("a.xml.gz", gzip.compress(one(3)))).headers["location"]
    assert "檢核無誤" in settled(web, clinic, path)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("四.xml", one(4))
        archive.writestr("五.xml", one(5, bad=True))
    answer = sent(clinic, ("兩個.zip", packed.getvalue()))
    assert answer.headers["location"] == "/uploads"
    assert "檔案都已收到" in clinic.get("/uploads").text
    assert "檔案都已收到" not in clinic.get("/uploads").text


def test_a_form_sent_twice_is_taken_once(clinic: httpx.Client) -> None:
    hidden = hidden_fields(clinic.get("/send").text)
    twice = [
        clinic.post("/send", data=hidden, files={"file": ("六.xml", one(6))}).headers["location"]
        for _ in range(2)
    ]
    assert twice[0] == twice[1]
    other = clinic.post("/send", data=hidden, files={"file": ("七.xml", one(7))})
    assert other.headers["location"] != twice[0]
    anew = sent(clinic, ("六.xml", one(6)))
    assert anew.headers["location"] != twice[0]


def test_what_was_a_precheck_is_sent_officially_from_the_same_page(clinic: httpx.Client) -> None:
    hidden = hidden_fields(clinic.get("/send").text)
    for mode, called in (("precheck", "預檢"), ("official", "正式")):
        answer = clinic.post(
            "/send", data=hidden | {"mode": mode}, files={"file": ("十.xml", one(10))}
        )
        assert answer.status_code == 303
        assert called in clinic.get(answer.headers["location"]).text


def test_a_script_gets_places(clinic: httpx.Client) -> None:
    token = hidden_fields(clinic.get("/send").text)["csrf"]
    answer = clinic.post(
        "/send", data={"mode": "precheck"}, files={"file": ("八.xml", one(8))},
        headers={"X-CSRF-Token": token, "Accept": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 202
    (place,) = answer.json()["uploads"]
    assert "預檢" in clinic.get(place).text
    listed = clinic.get("/uploads?mode=precheck").text
    assert "VPN" in listed  # a page's pre-check doesn't count as the software's


def test_no_file_is_told(clinic: httpx.Client) -> None:
    answer = sent(clinic, ("", b""))
    assert answer.status_code == 422
    assert "請選擇要上傳的檔案" in answer.text
    assert 'href="#file"' in answer.text


@pytest.mark.parametrize("path", ["/send", "/try"])
@pytest.mark.parametrize("token", [None, "", "x" * 43, "é"])
def test_files_need_the_sessions_token(clinic: httpx.Client, path: str, token: str | None) -> None:
    fields = {} if token is None else {"csrf": token}
    answer = clinic.post(path, data=fields, files={"file": ("九.xml", one(9))})
    assert answer.status_code == 403
    assert "<h1>" in answer.text


def test_what_is_no_form_is_told(clinic: httpx.Client) -> None:
    for kind in ("multipart/form-data", "multipart/form-data; boundary=x", "text/plain", ""):
        answer = clinic.post("/send", content=b"abc", headers={"Content-Type": kind})
        assert answer.status_code in (400, 403)


@pytest.mark.parametrize("path", ["/send", "/sign-in"])
@pytest.mark.parametrize("charset", ["punycode", "unicode_escape", "utf-16"])
def test_forms_are_in_utf8(clinic: httpx.Client, path: str, charset: str) -> None:
    """Before anything of them is decoded: some codecs take seconds, or give what is no text."""
    part = 'Content-Disposition: form-data; name="csrf"\r\n\r\n\\ud800'
    answer = clinic.post(
        path,
        content=f"--x\r\n{part}\r\n--x--\r\n".encode(),
        headers={"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"},
    )
    assert answer.status_code == 400


def test_names_show_no_ids(web: WebHouse, clinic: httpx.Client) -> None:
    path = sent(clinic, (f"../{PERSON}<i>.xml", one(10))).headers["location"]
    page = settled(web, clinic, path)
    assert PERSON not in page
    assert "<i>" not in page
    assert "../" not in page


def test_a_try_out_keeps_nothing(web: WebHouse, clinic: httpx.Client) -> None:
    web.commit()
    before = kept(web, clinic)
    hidden = hidden_fields(clinic.get("/try").text)
    record = bad_visit(X, SOMEBODY_ELSE, 11)
    answer = clinic.post("/try", data=hidden, files={"file": ("試.xml", upload([record]))})
    assert answer.status_code == 200
    assert "什麼都沒有留下" in answer.text
    assert "合格 0 筆，退件 1 筆" in answer.text
    assert record.fields["M03"] not in answer.text
    web.commit()
    assert kept(web, clinic) == before


def test_try_outs_leave_threads_to_what_is_sent(
    web: WebHouse, clinic: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many a clinic tries at once, few are checked at the same time."""
    now, most = 0, 0
    lock = Lock()
    trial = Trials.trial

    def counting(*asked: Any) -> Answer:
        nonlocal now, most
        with lock:
            now, most = now + 1, max(most, now + 1)
        time.sleep(0.2)
        try:
            return trial(*asked)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(Trials, "trial", counting)
    token = hidden_fields(clinic.get("/try").text)["csrf"]

    def tried(_: int) -> int:
        return httpx.post(
            f"{web.url}/try", cookies=dict(clinic.cookies), headers={"X-CSRF-Token": token},
            files={"file": ("試.xml", one(11))}, timeout=60,
        ).status_code  # fmt: skip

    with ThreadPoolExecutor(6) as crowd:
        assert list(crowd.map(tried, range(6))) == [200] * 6
    assert most == 2


def test_a_try_out_takes_one_file(clinic: httpx.Client) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1.xml", one(12))
        archive.writestr("2.xml", one(13))
    hidden = hidden_fields(clinic.get("/try").text)
    answer = clinic.post("/try", data=hidden, files={"file": ("兩.zip", packed.getvalue())})
    assert answer.status_code == 422
    assert "一次一個 XML 檔" in answer.text


def test_only_clinics_send(web: WebHouse) -> None:
    insurer = web.browser(INSURER)
    token = TOKEN.search(insurer.get("/account").text)
    assert token is not None
    for path in ("/send", "/try"):
        assert insurer.get(path).status_code == 404
        answer = insurer.post(path, data={"csrf": token[1]}, files={"file": ("a.xml", one(14))})
        assert answer.status_code == 404


def test_it_is_the_senders_institution_that_counts(web: WebHouse, clinic: httpx.Client) -> None:
    """Records of another institution are refused under one's own name."""
    foreign = upload([good_visit(Y, PERSON, 15)])
    path = sent(clinic, ("別家.xml", foreign), institution=Y).headers["location"]
    assert "退件" in settled(web, clinic, path)
    assert web.browser(Y).get(path).status_code == 404
