"""What the service writes of its own accord, logs and answers to mistakes, tells no secret."""

from __future__ import annotations

import logging
from pathlib import Path

import httpx
import pytest
from visit_records import PERSON
from vnhi_clinic import MIXED, OURS, Clinic, settled, vnhi_house
from web_house import PASSWORD, WebHouse, X, bad_visit, hidden_fields, served

from pipeline.web.app import create_app

SESSION = "nhi-session"


def written_by_us(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, but by the client that asks, and by Uvicorn about each request: that
    goes nowhere, though pytest listens to it."""
    assert not logging.getLogger("uvicorn.access").propagate
    others = ("httpx", "httpcore", "uvicorn.access")
    lines = (line for line in caplog.records if not line.name.startswith(others))
    return "\n".join(f"{line.getMessage()} {vars(line)}" for line in lines)


def test_logs_name_no_secret_and_nobody(web: WebHouse, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    record = bad_visit(X, minutes=3)
    upload_id = web.send(X, record, name=f"{PERSON}.xml")
    browser, client = web.browser(X), web.client(X)
    csrf = hidden_fields(browser.get("/account").text)["csrf"]
    asked = {"csrf": csrf, "treatment-id": record.id}
    zipped = {"csrf": csrf, "password": "Bleak-Otter-Vends-41"}
    guess = "not-the-password-of-anybody"
    browser.post("/visits", data=asked)
    browser.post(f"/uploads/{upload_id}/download", data=zipped)
    browser.get(f"/uploads/{upload_id}/records/1")
    browser.get("/sign-in", params={"next": f"/{PERSON}"})
    made = client.post(f"/api/v1/uploads/{upload_id}/download", json={})
    client.get(f"/api/v1/visits/{record.id}")
    client.post("/api/v1/visits/search", json={"treatment_id": record.id, "more": guess})
    client.get(f"/api/v1/uploads?name={PERSON}")
    web.client("nhi_AAAAAAAA_" + "A" * 43).get("/api/v1/uploads")
    nobody = web.browser()
    fields = hidden_fields(nobody.get("/sign-in").text)
    nobody.post("/sign-in", data={"name": "clinic-x", "password": guess, **fields})
    new = browser.post("/account/keys", data={"csrf": csrf, "name": "a key"}).text
    (key,) = [word for word in new.replace("<", " ").replace(">", " ").split()
              if word.startswith("nhi_") and len(word) > 40][:1]  # fmt: skip
    secrets = [
        PERSON, record.id, PASSWORD, guess, csrf, key, web.keys[X], "A" * 43,
        browser.cookies[SESSION], zipped["password"], made.headers["x-zip-password"],
    ]  # fmt: skip
    written = written_by_us(caplog)
    assert "/api/v1/uploads" in written
    assert [secret for secret in secrets if secret in written] == []


def test_the_envelope_leaves_nothing_of_itself_in_logs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with (
        vnhi_house(tmp_path) as house,
        served(create_app(house)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        clinic = Clinic(client, sSignature="signature-of-a-card", sClientRandom="random-of-a-card")
        opcode = clinic.upload()["Opcode"]
        settled(house, opcode)
        clinic.result(opcode)
        clinic.upload(sPatData="####")
        clinic.download("x" * 68)
        row = house.accounts.audit.rows(limit=100)
    secrets = ["signature-of-a-card", "random-of-a-card", "A199999999", opcode, "sPatData"]
    assert MIXED.count(b"A199999999")
    assert [secret for secret in secrets if secret in written_by_us(caplog) + str(row)] == []
    assert OURS in written_by_us(caplog)  # the line of the access log tells whose it was


def test_a_fault_of_ours_tells_nothing_of_the_request(
    web: WebHouse, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*asked: object, **more: object) -> object:
        raise RuntimeError(f"can't read {PERSON} of {asked}")

    monkeypatch.setattr(type(web.house.desk), "results", fails)
    for answer in (web.client(X).get("/api/v1/uploads"), web.browser(X).get("/uploads")):
        assert answer.status_code == 500
        for text in (answer.text, written_by_us(caplog)):
            assert PERSON not in text
            assert "can't read" not in text
        assert "RuntimeError" not in answer.text
    assert "RuntimeError" in caplog.text  # the operator learns what and where


def test_audit_rows_mask_ids(web: WebHouse) -> None:
    record = bad_visit(X, minutes=5)
    web.send(X, record)
    browser = web.browser(X)
    csrf = hidden_fields(browser.get("/account").text)["csrf"]
    browser.post("/visits", data={"csrf": csrf, "treatment-id": record.id})
    rows = str(web.house.accounts.audit.rows(limit=1000))
    assert "history.seen" in rows
    assert record.id not in rows
    assert PERSON not in rows
