"""The portal and the API in front of a stream: as over a store of their own."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from stream.threads import Running
from visit_records import PERSON, Record, upload
from web_house import INSURER, XML, WebHouse, X, bad_visit, good_visit, hidden_fields, web_house

from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, run_merge, run_validate
from pipeline.stream.recorder import Pace
from tests.kafka.server import broker

PATIENCE = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("web")


@pytest.fixture(scope="module")
def web(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebHouse]:
    """A web in front of a stream whose recorder commits and writes receipts."""
    kafka = broker(tmp_path_factory.mktemp("kafka"))
    cluster = Cluster(kafka.bootstrap)
    options = Options(cluster, str(folder / "store"), pace=Pace(0.5), receipts=folder / "receipts")
    try:
        with web_house(folder, cluster=cluster) as web, Running(options, [run_validate, run_merge]):
            send(web, good_visit(minutes=-1))  # the workers have what they begin with
            yield web
    finally:
        kafka.kill()


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.1)


def send(web: WebHouse, *records: Record, name: str = "") -> str:
    """Send records and wait for the verdict, however busy the machine is."""
    client = web.client(X)
    sent = client.post(
        "/api/v1/uploads", params={"name": name}, content=upload(records), headers=XML
    )
    here = sent.headers["Location"]
    wait_for(lambda: client.get(here, params={"wait": 10}).json()["status"] != "waiting")
    return str(sent.json()["upload_id"])


def test_a_verdict_is_waited_for(web: WebHouse) -> None:
    client = web.client(X)
    web.clock.forward(seconds=1)  # after the fixture's upload: the last one is listed first
    sent = client.post(
        "/api/v1/uploads", content=upload([good_visit(), bad_visit(minutes=1)]),
        headers=XML | {"Prefer": "wait=30", "Idempotency-Key": "one"},
    )  # fmt: skip
    assert sent.status_code == 202
    assert sent.headers["Preference-Applied"] == "wait=30"
    counts = sent.json()["receipt"]["counts"]
    assert (counts["records_accepted"], counts["records_rejected"]) == (1, 1)
    again = client.post(
        "/api/v1/uploads", content=upload([good_visit(), bad_visit(minutes=1)]),
        headers=XML | {"Idempotency-Key": "one"},
    )  # fmt: skip
    assert again.json()["upload_id"] == sent.json()["upload_id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = client.post(
        "/api/v1/uploads", content=upload([good_visit(minutes=2)]),
        headers=XML | {"Idempotency-Key": "one"},
    )  # fmt: skip
    assert other.status_code == 422
    here = client.get(sent.headers["Location"]).json()
    assert here["receipt"] == sent.json()["receipt"]
    assert client.get(f"{sent.headers['Location']}/errors.csv").text.count("\n") > 1
    listed = client.get("/api/v1/uploads").json()["uploads"]
    assert listed[0]["upload_id"] == sent.json()["upload_id"]
    assert len(listed) == 2
    checks = web.client().get("/readyz").json()["checks"]
    assert checks == {"settling": True, "in_time": True, "door": True, "disk": True}
    wait_for(lambda: "nhi_upload_consumer_lag{" in web.client().get("/metrics").text)


def test_held_uploads_are_decided_in_the_portal(web: WebHouse, folder: Path) -> None:
    sent = [good_visit(X, PERSON, 20 + n) for n in range(30)]
    send(web, *sent)
    held = [send(web, *(one.as_format("D") for one in sent), name=f"{n}.xml") for n in range(2)]
    wait_for(lambda: set(held) <= set(held_ids(web)))
    assert "已放行" in decided(web, held[0], "release")
    wait_for(lambda: held_ids(web) == [held[1]])  # the list is of the tables: a commit behind
    assert "先前已有決定" in decided(web, held[0], "drop")
    assert "已作廢" in decided(web, held[1], "drop")
    wait_for(lambda: held_ids(web) == [])
    client = web.client(X)
    statuses = [client.get(f"/api/v1/uploads/{one}").json()["status"] for one in held]
    assert statuses == ["done", "dropped"]
    receipts = folder / "receipts"
    wait_for(lambda: len(list(receipts.glob("*.txt"))) == 3)  # with that of the bad visit
    for upload_id in held:
        assert list(receipts.glob(f"*-{upload_id}.csv"))
        told = client.get(f"/api/v1/uploads/{upload_id}/receipt.txt").content
        (written,) = receipts.glob(f"*-{upload_id}.txt")
        wait_for(lambda told=told, written=written: written.read_bytes() == told)


def held_ids(web: WebHouse) -> list[str]:
    text = web.browser(INSURER).get("/insurer/held").text
    return re.findall(r'<th scope="row"><a href="/insurer/held/(\w+)"', text)


def decided(web: WebHouse, upload_id: str, decision: str) -> str:
    browser = web.browser(INSURER)
    token = hidden_fields(browser.get("/insurer/search").text)
    given = {"decision": decision, "reason": "asked them by phone", "confirmed": "1"}
    answer = browser.post(f"/insurer/held/{upload_id}", data=token | given)
    assert answer.status_code == 303, answer.text
    return browser.get(answer.headers["location"]).text


def test_health_tells_of_the_stream(web: WebHouse) -> None:
    text = web.browser(INSURER).get("/insurer/health").text
    assert "Kafka" not in text
    wait_for(lambda: "尚無資料" not in web.browser(INSURER).get("/insurer/health").text)
