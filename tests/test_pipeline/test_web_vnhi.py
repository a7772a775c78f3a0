"""The insurer's own envelope: as public clients speak it, and as nobody should."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from web_house import served

from pipeline.accounts.accounts import open_accounts
from pipeline.accounts.who import OPERATOR, Who
from pipeline.desk.desk import Desk
from pipeline.intake.service import open_service
from pipeline.limits import LIMITS
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI
from pipeline.upload_ids import LENGTH
from pipeline.web.app import create_app
from pipeline.web.house import Doorway, House
from pipeline.web.vnhi.opcode import NO_UPLOAD, opcode_of, read_opcode

SAMPLES = Path(__file__).parent.parent / "fixtures" / "samples"
MIXED = (SAMPLES / "14_mixed_batch_with_errors.xml").read_bytes()
CLEAN = MIXED[: MIXED.index(b"</REC>")] + b"</REC></RECS>"  # its first record has no fault
OURS, THEIRS, NOBODYS = "3999019987", "3599019970", "5999019961"
SAM = "000039990199"
HERE = "127.0.0.1"
CERTIFICATE = b"0\x82 stands for a certificate in DER"


class Clock:
    """The present moment, which a test may move."""

    def __init__(self, moment: datetime) -> None:
        self.now = moment

    def __call__(self) -> datetime:
        return self.now


class Clinic:
    """Software of a clinic that speaks the envelope."""

    def __init__(self, client: httpx.Client, **identity: Any) -> None:
        self.client = client
        self.identity = {
            "sSamId": SAM, "sHospId": OURS, "sClientRandom": "r", "sSignature": "s", "sType": "A1",
            **identity,
        }  # fmt: skip

    def post(self, path: str, body: dict[str, Any], **headers: str) -> dict[str, Any]:
        answer = self.client.post(path, json=body, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.content.isascii()
        said: dict[str, Any] = answer.json()
        return said

    def upload(self, data: bytes = MIXED, version: str = "V1000", **changed: Any) -> dict[str, Any]:
        body = {
            **self.identity,
            "sPatData": base64.b64encode(data).decode(),
            "sUploadDT": "20250501120000000",
            **changed,
        }
        return self.post(f"/{version}/VNHI_Upload", body)

    def download(self, opcode: str, version: str = "V1000", **changed: Any) -> dict[str, Any]:
        body = {**self.identity, "sOpcode": opcode, **changed}
        return self.post(f"/{version}/VNHI_Download", body)

    def result(self, opcode: str, **changed: Any) -> dict[str, Any]:
        said = self.download(opcode, **changed)
        assert said["RtnCode"] == "0000", said
        inner: dict[str, Any] = json.loads(base64.b64decode(said["tx_result_json"]).decode())
        return inner


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock(datetime(2025, 5, 1, 12, 0, 1, 234_567, tzinfo=TAIPEI))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Iterator[House]:
    store = tmp_path_factory.mktemp("vnhi") / "store"
    settings = Settings(limits=replace(LIMITS, upload_bytes=200_000))
    with (
        open_service(store, settings, clock=clock) as service,
        open_accounts(f"sqlite:///{store / 'accounts.sqlite'}", clock) as accounts,
    ):
        desk = Desk(str(store), settings, service, accounts.grants, clock)
        accounts.bind(OPERATOR, OURS, HERE)
        accounts.bind(OPERATOR, THEIRS, sha256(CERTIFICATE).hexdigest())
        doorway = Doorway(proxies=(HERE,))
        yield House(settings, str(store), service, desk, accounts, doorway, clock)


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


def settled(house: House, opcode: str) -> str:
    """The upload id of an Opcode, once it is checked."""
    assert house.service.outcomes.wait(opcode[-LENGTH:], 30)
    return opcode[-LENGTH:]


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


def test_an_answer_ends_and_can_be_asked_for_again(
    clinic: Clinic, house: House, clock: Clock
) -> None:
    opcode = clinic.upload()["Opcode"]
    upload_id = settled(house, opcode)
    before = clock.now
    try:
        clock.now = before + timedelta(days=14, seconds=1)
        assert clinic.download(opcode)["RtnCode"] == "9999"
        house.desk.reopen(Who("x", "x", "clinic", frozenset({OURS})), upload_id)
        assert clinic.result(opcode)["upload_id"] == upload_id
    finally:
        clock.now = before


def test_whoever_is_not_bound_is_told_nothing_else(clinic: Clinic, client: httpx.Client) -> None:
    opcode = clinic.upload()["Opcode"]
    for institution in (THEIRS, NOBODYS, "0000000000"):
        other = Clinic(client, sHospId=institution)
        uploads = [other.upload(), other.upload(b"x"), other.upload(sType="ZZ"),
                   other.upload(sType="??"), other.upload(sPatData="not base64")]  # fmt: skip
        assert {json.dumps(said) for said in uploads} == {json.dumps(uploads[0])}
        assert (uploads[0]["RtnCode"], uploads[0]["Opcode"]) == ("9002", "")
        downloads = [other.download(opcode), other.download("x"), other.download("x", sType="?")]
        assert {json.dumps(said) for said in downloads} == {json.dumps(downloads[0])}
        assert downloads[0]["RtnCode"] == "9002"


def test_a_foreign_opcode_is_as_good_as_none(
    clinic: Clinic, client: httpx.Client, house: House
) -> None:
    theirs = Clinic(client, sHospId=THEIRS)
    body = {**theirs.identity, "sPatData": base64.b64encode(MIXED).decode()}
    said = theirs.post("/V1000/VNHI_Upload", body, **{"Client-Cert": _rfc9440()})
    opcode = said["Opcode"]
    settled(house, opcode)
    none = clinic.download(str(opcode_of(house.clock(), OURS, SAM, "01" + "Z" * 24)))
    relabelled = opcode.replace(THEIRS, OURS)
    for foreign in (opcode, relabelled, opcode[:42], opcode + "0", "", "x" * 68, opcode.lower()):
        said = clinic.download(foreign)
        assert said["RtnCode"] == "9999"
        if foreign and len(foreign) == len(opcode):
            assert said == none


def _rfc9440() -> str:
    return f":{base64.b64encode(CERTIFICATE).decode()}:"


def _escaped_pem() -> str:
    body = base64.encodebytes(CERTIFICATE).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    return str(httpx.QueryParams({"": pem}))[1:].replace("+", "%20")


@pytest.mark.parametrize("header", [_rfc9440(), _escaped_pem()])
def test_a_certificate_as_a_trusted_proxy_tells_of_it(client: httpx.Client, header: str) -> None:
    theirs = Clinic(client, sHospId=THEIRS)
    body = {**theirs.identity, "sType": "ZZ"}
    assert theirs.post("/V1000/VNHI_Upload", body, **{"Client-Cert": header})["RtnCode"] == "0000"


@pytest.mark.parametrize(
    "headers",
    [
        [("Client-Cert", _rfc9440())] * 2,
        [("Client-Cert", _rfc9440()), ("Client-Cert", ":AAAA:")],
        [("Client-Cert", ":AAAA:")],
        [("Client-Cert", "::")],
        [("Client-Cert", ":not base64:")],
        [("Client-Cert", sha256(CERTIFICATE).hexdigest())],
        [("X-Client-Cert", _rfc9440())],
        [("Client-Cert", ":" + "A" * 20_000 + ":")],
    ],
)
def test_a_certificate_that_is_none(client: httpx.Client, headers: list[tuple[str, str]]) -> None:
    body = {**Clinic(client, sHospId=THEIRS).identity, "sType": "ZZ"}
    said = client.post("/V1000/VNHI_Upload", json=body, headers=headers).json()
    assert said["RtnCode"] == "9002"


def test_a_certificate_from_anybody_but_a_trusted_proxy(house: House) -> None:
    direct = replace(house, doorway=Doorway())
    with served(create_app(direct)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        headers = {"Client-Cert": _rfc9440(), "X-Forwarded-For": "192.0.2.1"}
        theirs = {**Clinic(client, sHospId=THEIRS).identity, "sType": "ZZ"}
        said = client.post("/V1000/VNHI_Upload", json=theirs, headers=headers).json()
        assert said["RtnCode"] == "9002"
        assert Clinic(client).upload(sType="ZZ")["RtnCode"] == "0000"


def test_a_forwarded_address_counts_from_a_trusted_proxy(client: httpx.Client) -> None:
    body = {**Clinic(client).identity, "sType": "ZZ"}
    headers = {"X-Forwarded-For": "192.0.2.1"}
    said = client.post("/V1000/VNHI_Upload", json=body, headers=headers).json()
    assert said["RtnCode"] == "9002"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
    ids=str,
)
def test_a_page_cannot_send_through_a_browser_at_a_bound_address(
    client: httpx.Client, headers: dict[str, str]
) -> None:
    body = json.dumps({**Clinic(client).identity, "sType": "ZZ"})
    headers = {"Content-Type": "application/json", **headers}
    said = client.post("/V1000/VNHI_Upload", content=body, headers=headers).json()
    assert said["RtnCode"] == "9002"


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


def test_guessing_is_slowed_down(house: House) -> None:
    strict = replace(house, doorway=Doorway(proxies=(HERE,)))
    with served(create_app(strict)) as url, httpx.Client(base_url=url, trust_env=False) as client:
        body = {**Clinic(client).identity, "sType": "ZZ"}
        headers = {"X-Forwarded-For": "192.0.2.9"}
        codes = [
            client.post("/V1000/VNHI_Upload", json=body, headers=headers).status_code
            for _ in range(70)
        ]
        assert codes[0] == 200
        assert codes[-1] == 429
        assert Clinic(client).upload(sType="ZZ")["RtnCode"] == "0000"


def test_get_is_not_for_the_envelope(client: httpx.Client) -> None:
    for path in ("VNHI_Upload", "VNHI_Download"):
        assert client.get(f"/V1000/{path}").status_code == 405


def test_opcodes_come_back_as_they_were_made(clock: Clock) -> None:
    made = opcode_of(clock.now, OURS, "12345", "0" * 25 + "Z")
    assert read_opcode(str(made)) == made
    assert len(str(made)) == 68
