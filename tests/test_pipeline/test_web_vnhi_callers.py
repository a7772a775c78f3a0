"""Who may speak the insurer's envelope, and for whom."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import httpx
import pytest
from vnhi_clinic import (
    CERTIFICATE,
    HERE,
    MIXED,
    OURS,
    SAM,
    THEIRS,
    Clinic,
    escaped_pem,
    rfc9440,
    settled,
    vnhi_house,
)
from web_house import served

from pipeline.cli import main
from pipeline.web.app import create_app
from pipeline.web.house import Doorway, House
from pipeline.web.vnhi.opcode import opcode_of

NOBODYS = "5999019961"


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
    said = theirs.post("/V1000/VNHI_Upload", body, **{"Client-Cert": rfc9440()})
    opcode = said["Opcode"]
    settled(house, opcode)
    none = clinic.download(str(opcode_of(house.clock(), OURS, SAM, "01" + "Z" * 24)))
    relabelled = opcode.replace(THEIRS, OURS)
    for foreign in (opcode, relabelled, opcode[:42], opcode + "0", "", "x" * 68, opcode.lower()):
        said = clinic.download(foreign)
        assert said["RtnCode"] == "9999"
        if foreign and len(foreign) == len(opcode):
            assert said == none


@pytest.mark.parametrize("header", [rfc9440(), escaped_pem()])
def test_a_certificate_as_a_trusted_proxy_tells_of_it(client: httpx.Client, header: str) -> None:
    theirs = Clinic(client, sHospId=THEIRS)
    body = {**theirs.identity, "sType": "ZZ"}
    assert theirs.post("/V1000/VNHI_Upload", body, **{"Client-Cert": header})["RtnCode"] == "0000"


@pytest.mark.parametrize(
    "headers",
    [
        [("Client-Cert", rfc9440())] * 2,
        [("Client-Cert", rfc9440()), ("Client-Cert", ":AAAA:")],
        [("Client-Cert", ":AAAA:")],
        [("Client-Cert", "::")],
        [("Client-Cert", ":not base64:")],
        [("Client-Cert", sha256(CERTIFICATE).hexdigest())],
        [("X-Client-Cert", rfc9440())],
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
        headers = {"Client-Cert": rfc9440(), "X-Forwarded-For": "192.0.2.1"}
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


@pytest.mark.parametrize(("registered", "refusal"), [("127.0.0.0/28", None), ("10.1.2.3", "Y011")])
def test_the_address_it_came_from_is_checked_where_addresses_are_registered(
    registered: str, refusal: str | None, tmp_path: Path
) -> None:
    store = str(tmp_path / "store")
    with vnhi_house(tmp_path):
        pass  # a store to load the table into
    table = tmp_path / "addresses.csv"
    table.write_text(f"institution,address,from,until\n{OURS},{registered},,\n")
    assert main(["reference", "load", "institution_addresses", str(table), "--store", store]) == 0
    with (
        vnhi_house(tmp_path, bind=False) as house,
        served(create_app(house)) as url,
        httpx.Client(base_url=url, trust_env=False) as client,
    ):
        opcode = Clinic(client).upload()["Opcode"]
        settled(house, opcode)
        said = Clinic(client).result(opcode)["refusal"]
        assert (said and said["code"]) == refusal
