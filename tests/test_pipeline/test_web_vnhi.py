"""The insurer's own envelope, as public clients speak it, and what is none."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import httpx
import pytest
from vnhi_clinic import (
    CLEAN,
    MIXED,
    OURS,
    RECEIVED_AT,
    SAM,
    THEIRS,
    Clinic,
    clock_of,
    settled,
    vnhi_house,
)
from web_house import served

from pipeline.accounts.who import Who
from pipeline.upload_ids import LENGTH
from pipeline.web.app import create_app
from pipeline.web.house import House
from pipeline.web.vnhi.opcode import NO_UPLOAD, opcode_of, read_opcode


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with vnhi_house(tmp_path_factory.mktemp("vnhi")) as opened:
        yield opened


@pytest.fixture(scope="module")
def url(house: House) -> Iterator[str]:
    with served(create_app(house)) as url:
        yield url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, trust_env=False) as client:
        yield client


@pytest.fixture
def clinic(client: httpx.Client) -> Clinic:
    return Clinic(client)


def test_an_upload_and_its_answer(clinic: Clinic, house: House) -> None:
    said = clinic.upload()
    assert said["RtnCode"] == "0000"
    opcode = said["Opcode"]
    assert opcode[:20] == "20250501120001234567"
    assert opcode[20:30] == OURS
    assert opcode[30:42] == SAM
    upload_id = settled(house, opcode)
    result = clinic.result(opcode)
    assert (result["upload_id"], result["status"]) == (upload_id, "done")
    assert result["counts"]["records_rejected"] == 9
    assert "M15:AA;" in result["receipt"]
    row = house.desk.receipt(Who("x", "x", "vendor", frozenset({OURS})), upload_id).row
    assert (row["mode"], row["channel"], row["institution"]) == ("official", "web-api", OURS)


def test_a_clean_upload_has_no_receipt_to_read(clinic: Clinic, house: House) -> None:
    opcode = clinic.upload(CLEAN)["Opcode"]
    settled(house, opcode)
    result = clinic.result(opcode)
    assert (result["findings"], result["refusal"], result["receipt"]) == ([], None, None)


def test_both_generations_of_clients_and_their_spellings(
    client: httpx.Client, house: House
) -> None:
    data = base64.b64encode(CLEAN).decode()
    old = {
        "sSamid": SAM, "sHospid": OURS, "sClientrandom": "r", "sSignature": "s", "sType": "A2",
        "sMrecs": "1", "sPrecs": "1", "sPatData": data, "sUploadDT": "20250501120000000",
    }  # fmt: skip
    for version in ("V1000", "V2000"):
        said = client.post(f"/{version}/VNHI_Upload", json=old).json()
        assert said["RtnCode"] == "0000"
        settled(house, said["Opcode"])
        asked = {name: old[name] for name in old if name not in ("sPatData", "sUploadDT")}
        answer = client.post(f"/{version}/VNHI_Download", json={**asked, "sOpcode": said["Opcode"]})
        assert answer.json()["RtnCode"] == "0000"


@pytest.mark.parametrize("line", [76, 64])
def test_base64_in_lines(clinic: Clinic, house: House, line: int) -> None:
    encoded = base64.b64encode(MIXED).decode()
    lines = "\r\n".join(encoded[at : at + line] for at in range(0, len(encoded), line))
    opcode = clinic.upload(sPatData=lines + "\r\n")["Opcode"]
    settled(house, opcode)
    assert clinic.result(opcode)["sha256"] == sha256(MIXED).hexdigest()


def test_a_precheck_upload_stays_one(clinic: Clinic, house: House) -> None:
    opcode = clinic.upload(sType="A2")["Opcode"]
    settled(house, opcode)
    assert clinic.download(opcode)["RtnCode"] == "5003"
    assert clinic.result(opcode, sType="A2")["upload_id"] == opcode[-LENGTH:]


def test_a_connection_test_keeps_nothing(clinic: Clinic, house: House) -> None:
    rows = len(house.service.outcomes.rows()) + len(house.service.outcomes.waiting())
    for data in (MIXED, b""):
        said = clinic.upload(data, sType="ZZ")
        assert said["RtnCode"] == "0000"
        assert said["Opcode"][-LENGTH:] == NO_UPLOAD
        assert clinic.result(said["Opcode"], sType="ZZ")["status"] == "test"
        assert clinic.download(said["Opcode"])["RtnCode"] == "5003"
    assert len(house.service.outcomes.rows()) + len(house.service.outcomes.waiting()) == rows


def test_an_answer_that_is_not_there_yet(
    clinic: Clinic, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    opcode = clinic.upload()["Opcode"]
    settled(house, opcode)
    receipt = house.desk.receipt
    monkeypatch.setattr(
        house.desk, "receipt", lambda *asked: replace(receipt(*asked), state="waiting", answer=None)
    )
    assert clinic.download(opcode) == {
        "RtnCode": "5002",
        "tx_result_json": "",
        "RtnMsg": "檢核尚未完成，請稍候再下載 It is still being checked; download it in a moment",
    }


def test_another_sam_than_that_of_the_upload(clinic: Clinic, house: House) -> None:
    opcode = clinic.upload()["Opcode"]
    settled(house, opcode)
    assert clinic.download(opcode, sSamId="000039990198")["RtnCode"] == "5004"


def test_each_download_is_recorded(clinic: Clinic, house: House) -> None:
    opcode = clinic.upload()["Opcode"]
    upload_id = settled(house, opcode)
    clinic.result(opcode)
    (row,) = house.accounts.audit.rows(object=upload_id)
    assert (row.action, row.who, row.institution) == ("download", f"vnhi:{OURS}", OURS)


def test_an_answer_ends_and_can_be_asked_for_again(clinic: Clinic, house: House) -> None:
    opcode = clinic.upload()["Opcode"]
    upload_id = settled(house, opcode)
    clock = clock_of(house)
    before = clock.now
    try:
        clock.now = before + timedelta(days=14, seconds=1)
        assert clinic.download(opcode)["RtnCode"] == "9999"
        house.desk.reopen(Who("x", "x", "clinic", frozenset({OURS})), upload_id)
        assert clinic.result(opcode)["upload_id"] == upload_id
    finally:
        clock.now = before


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "9999"),
        (b"[]", "9999"),
        (b"null", "9999"),
        (b"{", "9999"),
        (b"\xff\xfe", "9999"),
        (b"[" * 100_000, "9999"),
        (b'{"a":' * 50_000, "9999"),
        (b'{"sType": 1' + b"0" * 5_000 + b"}", "9999"),
        (b"{}", "9999"),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_what_is_no_envelope(client: httpx.Client, body: bytes, code: str) -> None:
    for path, key in (("VNHI_Upload", "Opcode"), ("VNHI_Download", "tx_result_json")):
        answer = client.post(
            f"/V2000/{path}", content=body, headers={"Content-Type": "application/json"}
        )
        if path == "VNHI_Download" and len(body) > 65_536:
            assert answer.status_code == 413
        else:
            assert answer.status_code == 200
        assert (answer.json()["RtnCode"], answer.json()[key]) == (code, "")


@pytest.mark.parametrize(
    "changed",
    [
        {"sHospId": ""},
        {"sHospId": "399901998"},
        {"sHospId": ["3999019987"]},
        {"sHospId": {"$ne": ""}},
        {"sSamId": ""},
        {"sSamId": "0000399901990"},
        {"sSamId": "0000\n3999019"},
        {"sSamId": None},
        {"sPatData": ""},
        {"sPatData": "####"},
        {"sPatData": "QUJD=QUJD"},
        {"sPatData": "QUI"},
        {"sPatData": "資料"},
        {"sPatData": 1},
        {"ssamid": SAM},
        {"SHOSPID": THEIRS},
    ],
    ids=str,
)
def test_members_that_are_missing_malformed_or_there_twice(
    clinic: Clinic, changed: dict[str, Any]
) -> None:
    said = clinic.upload(**changed)
    assert said["RtnCode"] == "9999"
    assert said["Opcode"] == ""


@pytest.mark.parametrize("parts", [[0] * 10_000, [{}] * 10_000, [[[]] * 5_000]])
def test_a_small_body_does_not_become_a_large_object(clinic: Clinic, parts: list[Any]) -> None:
    assert clinic.upload(sMrecs=parts)["RtnCode"] == "9999"


def test_the_same_key_twice_as_json_allows(client: httpx.Client) -> None:
    body = json.dumps({**Clinic(client).identity, "sType": "ZZ"})
    doubled = body[:-1] + f', "sHospId": "{OURS}"}}'
    headers = {"Content-Type": "application/json"}
    said = client.post("/V1000/VNHI_Upload", content=doubled, headers=headers).json()
    assert said["RtnCode"] == "9999"


@pytest.mark.parametrize("kind", ["", "a1", "A3", "A1 ", "ZZZ"])
def test_types_that_are_none(clinic: Clinic, kind: str) -> None:
    assert clinic.upload(sType=kind)["RtnCode"] == "5003"
    assert clinic.download("x" * 68, sType=kind)["RtnCode"] == "5003"


def test_an_upload_at_its_limit_and_one_beyond(clinic: Clinic, house: House) -> None:
    limit = house.settings.limits.upload_bytes
    fill = CLEAN + b" " * (limit - len(CLEAN))
    for data, refusal in ((fill, None), (fill + b" ", "Z001")):
        opcode = clinic.upload(data)["Opcode"]
        settled(house, opcode)
        said = clinic.result(opcode)["refusal"]
        assert (said and said["code"]) == refusal


def test_a_body_far_beyond_the_limit_is_cut_off(client: httpx.Client, house: House) -> None:
    body = {**Clinic(client).identity, "sPatData": "QUJD" * 150_000}
    answer = client.post("/V1000/VNHI_Upload", json=body)
    assert answer.status_code == 413
    assert (answer.json()["RtnCode"], answer.json()["Opcode"]) == ("9999", "")


def test_get_is_not_for_the_envelope(client: httpx.Client) -> None:
    for path in ("VNHI_Upload", "VNHI_Download"):
        assert client.get(f"/V1000/{path}").status_code == 405


def test_opcodes_come_back_as_they_were_made() -> None:
    made = opcode_of(RECEIVED_AT, OURS, "12345", "0" * 25 + "Z")
    assert read_opcode(str(made)) == made
    assert len(str(made)) == 68
