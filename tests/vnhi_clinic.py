"""A clinic's software that speaks the insurer's envelope, and a service it is bound to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
from senders import Clock

from pipeline.accounts.who import OPERATOR
from pipeline.limits import LIMITS
from pipeline.settings import Settings
from pipeline.taipei import TAIPEI
from pipeline.upload_ids import LENGTH
from pipeline.web.house import Doorway, House
from pipeline.web.open_house import open_house

SAMPLES = Path(__file__).parent / "fixtures" / "samples"
MIXED = (SAMPLES / "14_mixed_batch_with_errors.xml").read_bytes()
CLEAN = MIXED[: MIXED.index(b"</REC>")] + b"</REC></RECS>"  # its first record has no fault
OURS, THEIRS = "3999019987", "3599019970"
SAM = "000039990199"
HERE = "127.0.0.1"
RECEIVED_AT = datetime(2025, 5, 1, 12, 0, 1, 234_567, tzinfo=TAIPEI)
CERTIFICATE = b"0\x82 stands for a certificate in DER"


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


def rfc9440() -> str:
    """``Client-Cert`` as RFC 9440 has it."""
    return f":{base64.b64encode(CERTIFICATE).decode()}:"


def escaped_pem() -> str:
    """``Client-Cert`` as nginx can write it."""
    body = base64.encodebytes(CERTIFICATE).decode()
    pem = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    return str(httpx.QueryParams({"": pem}))[1:].replace("+", "%20")


@contextmanager
def vnhi_house(folder: Path, *, bind: bool = True) -> Iterator[House]:
    """A service that an address of ours and a certificate of THEIRS are bound to.

    This machine is also its trusted proxy. Its uploads have at most 200,000 bytes. ``bind`` is
    False for a service that was there before.
    """
    store, clock = str(folder / "store"), Clock()
    clock.now = RECEIVED_AT
    settings = Settings(limits=replace(LIMITS, upload_bytes=200_000))
    with open_house(settings, store, Doorway(proxies=(HERE,)), clock=clock) as house:
        if bind:
            house.accounts.bind(OPERATOR, OURS, HERE)
            house.accounts.bind(OPERATOR, THEIRS, sha256(CERTIFICATE).hexdigest())
        yield house


def clock_of(house: House) -> Clock:
    """The clock of such a service, which may be moved."""
    assert isinstance(house.clock, Clock)
    return house.clock


def settled(house: House, opcode: str) -> str:
    """The upload id of an Opcode, once it is checked."""
    assert house.service.outcomes.wait(opcode[-LENGTH:], 30)
    return opcode[-LENGTH:]
