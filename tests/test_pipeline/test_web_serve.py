"""``nhi-upload serve`` as a process: started, stopped, killed, and what it refuses to do."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from processes import Process, command
from visit_records import CLINIC, PERSON, moment, prescribing, upload

from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.who import OPERATOR
from pipeline.cli import main
from pipeline.settings import Settings

XML = {"Content-Type": "application/xml"}
READY = r"ready: (https?://\S+)"


@dataclass
class Service:
    """A service in a process of its own; ``ready`` lines were told until it was."""

    process: Process
    url: str
    ready: int

    @property
    def said(self) -> str:
        """What it told before it was ready."""
        return "".join(self.process.told[: self.ready])

    def client(self, key: str) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=60)

    def stop(self, with_signal: signal.Signals) -> tuple[int, str]:
        """Send a signal and wait for the end: the exit code, and what was told since ``ready``."""
        code = self.process.end(with_signal)
        return code, "".join(self.process.told[self.ready :])


@contextmanager
def serving(store: Path, *options: str) -> Iterator[Service]:
    asked = ["-m", "pipeline", "serve", "--store", str(store), "--port", "0", *options]
    accounts = {"NHI_UPLOAD_ACCOUNTS_URL": f"sqlite:///{store}.accounts"}
    with command(*asked, environment=accounts) as process:
        url = process.wait_for(READY)[1]
        ready = next(n for n, line in enumerate(process.told, 1) if url in line)
        yield Service(process, url, ready)


def key_for(store: Path) -> str:
    settings = Settings(accounts_url=f"sqlite:///{store}.accounts")
    with open_accounts(accounts_url(settings, str(store))) as accounts:
        return accounts.create_key(OPERATOR, [CLINIC], "test")


def visit(number: int) -> bytes:
    return upload([prescribing(CLINIC, PERSON, moment("2025-12-21T08:00") + 60 * number)])


def test_a_killed_service_keeps_what_it_promised(tmp_path: Path) -> None:
    """No commit in time: whatever got a ticket is there after the next start, told the same."""
    store = tmp_path / "store"
    key, told = key_for(store), dict[str, object]()
    for sitting in range(3):
        with serving(store, "--commit-seconds", "600") as service, service.client(key) as client:
            for upload_id, receipt in told.items():
                again = client.get(f"/api/v1/uploads/{upload_id}", params={"wait": 30}).json()
                assert receipt in (None, again["receipt"])
                told[upload_id] = again["receipt"]
            for number in range(4):
                answer = client.post(
                    "/api/v1/uploads",
                    params={"wait": 30 * (number < 3)},
                    content=visit(10 * sitting + number),
                    headers=XML,
                )
                assert answer.status_code == 202
                told[answer.json()["upload_id"]] = answer.json()["receipt"]
            listed = client.get("/api/v1/uploads", params={"limit": 500}).json()["uploads"]
            assert {one["upload_id"] for one in listed} == told.keys()
            service.stop(signal.SIGKILL)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_service_has_committed_everything(tmp_path: Path, how: signal.Signals) -> None:
    store = tmp_path / "store"
    key = key_for(store)
    with serving(store, "--commit-seconds", "600") as service, service.client(key) as client:
        ids = {
            client.post("/api/v1/uploads", content=visit(n), headers=XML).json()["upload_id"]
            for n in range(3)
        }
        code, told = service.stop(how)
    assert code == 0
    assert "Traceback" not in told
    lines = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert {line["status"] for line in lines if "route" in line} == {202}
    from deltalake import DeltaTable

    rows = DeltaTable(str(store / "tables" / "uploads")).to_pyarrow_table(columns=["upload_id"])
    assert set(rows["upload_id"].to_pylist()) == ids


def test_sign_ins_of_the_samples_work_and_are_told_once(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with serving(store) as service, service.client(key_for(store)) as client:
        client.post("/api/v1/uploads", params={"wait": 30}, content=visit(1), headers=XML)
        service.stop(signal.SIGTERM)
    with serving(store, "--demo") as service:
        key = re.search(r"nhi_\w{8}_[\w-]{43}", service.said)
        assert key
        with service.client(key[0]) as client:
            assert len(client.get("/api/v1/uploads").json()["uploads"]) == 1
        people = re.findall(r"(demo-[\w-]+)  ([a-z0-9-]{20,})", service.said)
        assert [name for name, _ in people] == [
            f"demo-{CLINIC}", "demo-insurer", "demo-auditor"
        ]  # fmt: skip
        _, told = service.stop(signal.SIGTERM)
        assert not any(secret in told for secret in [key[0], *(one for _, one in people)])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--host", "0.0.0.0"], "--behind-proxy"),
        (["--host", "::"], "--behind-proxy"),
        (["--host", "0.0.0.0", "--behind-proxy", "10.0.0.0/8", "--demo"], "loopback"),
        (["--behind-proxy", "10.0.0.0/99"], "no network"),
        (["--upkeep", "25:00"], "no time of day"),
        (["--host", "192.0.2.1", "--behind-proxy", "10.0.0.0/8"], "can't listen"),
    ],
)
def test_what_it_will_not_do(
    tmp_path: Path, options: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--store", str(tmp_path / "store"), "--port", "0", *options]) == 64
    assert says in capsys.readouterr().err


def test_without_a_store_it_says_where_the_samples_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NHI_UPLOAD_STORE", raising=False)
    assert main(["serve"]) == 64
    assert "make run" in capsys.readouterr().err


def test_it_speaks_https_itself(tmp_path: Path) -> None:
    store, certificate, private = tmp_path / "store", tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost", "-keyout", private, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    options = ["--host", "0.0.0.0", "--tls-cert", str(certificate), "--tls-key", str(private)]
    trusting = ssl.create_default_context(cafile=str(certificate))
    with serving(store, *options) as service:
        port = httpx.URL(service.url).port
        with httpx.Client(base_url=f"https://localhost:{port}", verify=trusting) as client:
            page = client.get("/sign-in")
        service.stop(signal.SIGTERM)
    assert page.headers["strict-transport-security"].startswith("max-age=31536000")
    assert all("Secure" in cookie for cookie in page.headers.get_list("set-cookie"))
