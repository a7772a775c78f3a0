"""One trace per upload through all processes of a stream, on a real broker."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from processes import PATIENCE, Process, command
from stream.threads import wait_until_recorded
from trace_collector import Collector, Seen, collecting
from visit_records import CLINIC, PERSON, SOMEBODY_ELSE, moment, prescribing, upload

from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.who import OPERATOR
from pipeline.settings import Settings
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, open_stream
from pipeline.taipei import TAIPEI
from pipeline.upload_ids import number_of
from tests.kafka.server import broker

ROLES = {
    "take": {"nhi-upload-serve", "nhi-upload-publish"},
    "dispatch": {"nhi-upload-validate"},
    "check": {"nhi-upload-validate"},
    "merge": {"nhi-upload-merge"},
    "record": {"nhi-upload-merge"},
    "commit": {"nhi-upload-merge"},
}
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
YESTERDAY = moment(f"{datetime.now(TAIPEI) - timedelta(days=1):%Y-%m-%d}T08:00")
FILES, POSTED = 20, 8


@dataclass
class Ran:
    """What became of uploads of which half are sampled: their rows, their traces, the logs."""

    rows: list[dict[str, Any]]
    collector: Collector
    said: str

    @property
    def sampled(self) -> dict[str, dict[str, Any]]:
        """By trace, those of which the sampler wants to know: by the lower half of its id."""
        ids = {number_of(row["upload_id"]): row for row in self.rows}
        return {f"{one:032x}": row for one, row in ids.items() if one % (1 << 64) < 1 << 63}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    folder = tmp_path_factory.mktemp("traced")
    kafka = broker(tmp_path_factory.mktemp("kafka"))
    try:
        options = Options(Cluster(kafka.bootstrap), str(folder / "store"))
        open_stream(options)
        with collecting() as collector:
            said = _run(options, folder, {
                "NHI_UPLOAD_STORE": options.store_uri,
                "NHI_UPLOAD_BOOTSTRAP_SERVERS": kafka.bootstrap,
                "NHI_UPLOAD_ACCOUNTS_URL": f"sqlite:///{folder}/accounts",
                "NHI_UPLOAD_DEBUG": "1",
                "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
                "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
                "OTEL_TRACES_SAMPLER_ARG": "0.5",
            })  # fmt: skip
            rows = pl.read_delta(f"{options.store_uri}/tables/uploads").to_dicts()
            yield Ran(rows, collector, said)
    finally:
        kafka.kill()


def _run(options: Options, folder: Path, environment: Mapping[str, str]) -> str:
    """Send uploads by both doors until they are committed, and end everything; gives the logs."""
    with ExitStack() as stack:

        def begin(*arguments: str) -> Process:
            one = command("-m", "pipeline", *arguments, environment=environment)
            return stack.enter_context(one)

        lasting = [
            begin("worker", "validate"), begin("worker", "merge", "--commit-seconds", "0.5"),
            begin("serve", "--port", "0"),
        ]  # fmt: skip
        _post(lasting[-1].wait_for(r"ready: (http://\S+)")[1], environment)
        publish = begin("publish", str(_files(folder / "files")))
        assert publish.running.wait(PATIENCE) == 0, publish.told
        wait_until_recorded(options, POSTED + FILES)
        assert [one.end() for one in lasting] == [0, 0, 0]
    return "".join(line for one in lasting for line in one.told)


def _post(url: str, environment: Mapping[str, str]) -> None:
    settings = Settings(accounts_url=environment["NHI_UPLOAD_ACCOUNTS_URL"])
    with open_accounts(accounts_url(settings, "")) as accounts:
        key = accounts.create_key(OPERATOR, [CLINIC], "test")
    headers = {
        "Authorization": f"Bearer {key}", "Content-Type": "application/xml", "traceparent": CALLER,
    }  # fmt: skip
    with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
        for number in range(POSTED):
            visit = upload([prescribing(CLINIC, PERSON, YESTERDAY + 60 * number)])
            named = {"Idempotency-Key": f"key-{number}"}  # whether it is sampled follows from that
            answer = client.post("/api/v1/uploads", content=visit, headers=named)
            assert answer.status_code == 202, answer.text


def _files(folder: Path) -> Path:
    folder.mkdir()
    for number in range(FILES):
        at = YESTERDAY + 3600 + 60 * number
        visits = [prescribing(CLINIC, person, at) for person in (PERSON, SOMEBODY_ELSE)]
        (folder / f"{number:02}.xml").write_bytes(upload(visits))
    return folder


def stages(trace: list[Seen]) -> list[str]:
    """Its stages in the order of their beginnings; that of several partitions once."""
    return list(dict.fromkeys(one.span.name for one in trace))


def test_of_half_of_them_everything_is_told_and_of_the_others_nothing(ran: Ran) -> None:
    assert len(ran.rows) == POSTED + FILES
    assert ran.collector.traces().keys() == ran.sampled.keys()
    assert 0 < len(ran.sampled) < len(ran.rows)


def test_an_upload_is_one_trace_through_all_processes(ran: Ran) -> None:
    doors = Counter[str]()
    for name, trace in ran.collector.traces().items():
        assert stages(trace) == list(ROLES)
        root, *below = trace
        assert root.span.parent_span_id == b""
        assert {one.span.parent_span_id for one in below} == {root.span.span_id}
        assert len({one.span.span_id for one in trace}) == len(trace)
        for one in trace:
            assert one.service in ROLES[one.span.name]
            assert one.told["upload.id"] == ran.sampled[name]["upload_id"]
        doors[root.service] += 1
        assert [one.trace_id.hex() for one in root.span.links] == [
            "0af7651916cd43dd8448eb211c80319c"
        ] * (root.service == "nhi-upload-serve")
    assert doors.keys() == ROLES["take"]


def test_what_is_known_is_told_and_nothing_of_a_person(ran: Ran) -> None:
    for name, trace in ran.collector.traces().items():
        row = ran.sampled[name]
        (recorded,) = (one for one in trace if one.span.name == "record")
        for told in ("institution", "channel", "mode", "sequence", "status", "records"):
            assert recorded.told[f"upload.{told}"] == row[told]
        assert recorded.told["upload.records_accepted"] == row["records_accepted"] > 0
    for person in (PERSON, SOMEBODY_ELSE):
        assert person[-9:].encode() not in ran.collector.bytes


def test_logs_name_the_trace(ran: Ran) -> None:
    lines = [json.loads(line) for line in ran.said.splitlines() if line.startswith("{")]
    told = [line for line in lines if "upload_id" in line and "message" in line]
    assert {line["message"] for line in told} >= {"dispatched", "checked", "recorded"}
    for line in told:
        assert line["trace_id"] == f"{number_of(line['upload_id']):032x}"
