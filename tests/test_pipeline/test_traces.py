"""Traces of uploads: what is told of a stage, what is sampled, and that nothing waits for them."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from processes import ROOT, Process, command
from trace_collector import Collector, collecting
from visit_records import CLINIC, PERSON, moment, prescribing, upload

from pipeline import traces
from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.who import OPERATOR
from pipeline.json_log import JsonLines
from pipeline.metrics import Metrics
from pipeline.settings import Settings
from pipeline.upload_ids import new_upload_id, number_of

NOW = datetime(2026, 1, 5, 20, tzinfo=UTC)
UPLOAD = new_upload_id(NOW)
CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collecting() as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://c:4318/v1/metrics"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_SDK_DISABLED": "TRUE"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318", "OTEL_TRACES_EXPORTER": "none"}, False),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_the_environment_says_whether(environment: Mapping[str, str], wanted: bool) -> None:
    assert traces.are_wanted(environment) is wanted


def test_a_stage_is_told_of_each_upload(collector: Collector) -> None:
    other = new_upload_id(NOW)
    with traces.traced("merge"):
        began = time.time_ns()
        with Metrics().stage("record") as uploads:
            time.sleep(0.02)
            uploads[UPLOAD] = {"institution": CLINIC, "sequence": 7, "status": "done", "name": "x"}
            uploads[other] = {"institution": None, "status": "failed"}
            uploads["no upload's"] = {}
        ended = time.time_ns()
    done, failed = (collector.traces()[f"{number_of(one):032x}"] for one in (UPLOAD, other))
    assert len(done) == len(failed) == 1
    assert len(collector.seen) == 2
    span = done[0].span
    assert (span.name, done[0].service) == ("record", "nhi-upload-merge")
    assert done[0].told == {
        "upload.id": UPLOAD, "upload.institution": CLINIC, "upload.sequence": 7,
        "upload.status": "done", "stage.uploads": 3,
    }  # fmt: skip
    assert began <= span.start_time_unix_nano <= span.end_time_unix_nano - 20_000_000
    assert span.end_time_unix_nano <= ended
    assert (span.status.code, failed[0].span.status.code) == (0, 2)


def test_taking_is_the_root_of_the_rest(collector: Collector) -> None:
    with traces.traced("serve"):
        traces.came_with.set(CALLER)
        traces.tell("take", {UPLOAD: {}}, 0.2)
        traces.came_with.set(None)
        traces.tell("check", {UPLOAD: {}}, 0.1)
        traces.tell("take", {new_upload_id(NOW): {}}, 0.2)
    root, check = collector.traces()[f"{number_of(UPLOAD):032x}"]
    assert (root.span.name, root.span.parent_span_id) == ("take", b"")
    assert check.span.parent_span_id == root.span.span_id != check.span.span_id
    (link,) = root.span.links
    assert link.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert [one.span.links for one in collector.seen if one is not root] != [root.span.links] * 2
    assert sum(len(one.span.links) for one in collector.seen) == 1


@pytest.mark.parametrize("header", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"])
def test_a_header_that_names_no_trace_links_to_none(collector: Collector, header: str) -> None:
    with traces.traced("serve"):
        token = traces.came_with.set(header)
        traces.tell("take", {UPLOAD: {}}, 0.2)
        traces.came_with.reset(token)
    (one,) = collector.seen
    assert not one.span.links


def test_the_operators_names_win(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SERVICE_NAME", "uploads-of-the-north")
    with traces.traced("serve"):
        traces.tell("take", {UPLOAD: {}}, 0.2)
    assert [one.service for one in collector.seen] == ["uploads-of-the-north"]


@pytest.mark.parametrize("sampler", ["traceidratio", "parentbased_traceidratio"])
def test_all_processes_sample_the_same_uploads(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0.25")
    uploads = {new_upload_id(NOW): {"sequence": n} for n in range(400)}
    for role, stage in (("serve", "take"), ("validate", "check"), ("merge", "commit")):
        with traces.traced(role):
            traces.tell(stage, uploads, 0.1)
    sampled = {one.told["upload.id"] for one in collector.seen}
    assert 50 < len(sampled) < 150  # 100 and five times their deviation
    for trace in collector.traces().values():
        assert sorted(one.span.name for one in trace) == ["check", "commit", "take"]


@pytest.mark.parametrize("sampler", ["always_off", "parentbased_always_off", "traceidratio"])
def test_of_none_nothing_is_told(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, sampler: str
) -> None:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", sampler)
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    with traces.traced("serve"):
        traces.tell("take", {new_upload_id(NOW): {} for _ in range(100)}, 0.1)
        assert traces.trace_of(UPLOAD)
    assert not collector.bytes


def test_logs_and_exemplars_name_the_trace(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    def line() -> dict[str, str]:
        facts = {"upload_id": UPLOAD}
        logging.getLogger("here").warning("checked", extra={"facts": facts})
        told: dict[str, str] = json.loads(JsonLines().format(caplog.records[-1]))
        return told

    def exposed() -> str:
        metrics = Metrics()
        metrics.spent("check", 0.1, {UPLOAD: {}})
        return metrics.exposition(accept="application/openmetrics-text").decode()

    name = f"{number_of(UPLOAD):032x}"
    with traces.traced("validate"):
        assert line()["trace_id"] == name
        assert f'trace_id="{name}"' in exposed()
    assert "trace_id" not in line()
    assert "trace_id" not in exposed()
    assert UPLOAD in exposed()


def test_what_the_environment_gets_wrong_is_told(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "0")
    with traces.traced("serve"):
        traces.tell("take", {UPLOAD: {}}, 0.1)
        assert traces.trace_of(UPLOAD) is None
    assert "no traces: " in caplog.text
    assert not collector.bytes


def test_what_fails_in_telling_ends_the_telling(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pipeline.spans.number_of", lambda _: 0 / 0)
    with traces.traced("serve"):
        traces.tell("take", {UPLOAD: {}}, 0.1)
        assert traces.trace_of(UPLOAD) is None
    assert "no traces from now on: ZeroDivisionError" in caplog.text
    assert not collector.bytes


def test_without_the_extra_it_is_told() -> None:
    asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    blocked = "import sys; sys.modules['opentelemetry.sdk'] = None; "
    with command("-c", blocked + _TELLING, environment=asked) as process:
        assert process.running.wait(60) == 0
    assert "the extra `traces` has it" in "".join(process.told)


_TELLING = (
    "import logging; logging.basicConfig(); from pipeline import traces\n"
    "with traces.traced('x'): traces.tell('take', {'01K00000000000000000000000': {}}, 1.0)\n"
)


def test_whoever_wants_none_imports_nothing() -> None:
    code = (
        "import sys, pipeline.stream.process, pipeline.stream.publish, pipeline.cli.worker\n"
        f"{_TELLING}"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
        "import pipeline.web.app\n"  # FastAPI imports the interface by itself
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry.exporter')])\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert told.stdout.split() == ["[]"] * 3


@contextmanager
def serving(store: Path, **environment: str) -> Iterator[tuple[Process, httpx.Client]]:
    """``serve`` over a store of its own, and somebody who may send to it."""
    accounts_at = f"sqlite:///{store}.accounts"
    with open_accounts(accounts_url(Settings(accounts_url=accounts_at), str(store))) as accounts:
        key = accounts.create_key(OPERATOR, [CLINIC], "test")
    serve = ["-m", "pipeline", "serve", "--store", str(store), "--port", "0"]
    with command(
        *serve, "--commit-seconds", "0.5",
        environment={"NHI_UPLOAD_ACCOUNTS_URL": accounts_at, **environment},
    ) as process:  # fmt: skip
        url = process.wait_for(r"ready: (http://\S+)")[1]
        headers = {
            "Authorization": f"Bearer {key}", "Content-Type": "application/xml",
            "traceparent": CALLER,
        }  # fmt: skip
        with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            yield process, client


def send(client: httpx.Client) -> dict[str, object]:
    """An upload; gives the answer, with its receipt."""
    visit = upload([prescribing(CLINIC, PERSON, moment("2025-12-21T08:00"))])
    answer = client.post("/api/v1/uploads", params={"wait": 30}, content=visit)
    assert answer.status_code == 202
    told: dict[str, object] = answer.json()
    return told


def test_a_service_alone_tells_all_stages(tmp_path: Path, collector: Collector) -> None:
    with serving(tmp_path / "store") as (process, client):
        told = send(client)
        assert process.end() == 0
    (trace,) = collector.traces().values()
    name = f"{number_of(str(told['upload_id'])):032x}"
    assert {one.span.trace_id.hex() for one in trace} == {name}
    assert [one.span.name for one in trace] == ["take", "wait", "check", "merge", "commit"]
    assert {one.service for one in trace} == {"nhi-upload-serve"}
    assert len(trace[0].span.links) == 1
    assert trace[3].told["upload.records"] == 1
    assert PERSON.encode() not in collector.bytes
    access = [json.loads(line) for line in process.told if '"route":"/api/v1/uploads"' in line]
    assert [line["trace_id"] for line in access] == [name]


@contextmanager
def silent(answers: str) -> Iterator[str]:
    """The endpoint of a collector where nobody is, or that takes requests and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        if answers == "never":
            listening.listen()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("answers", ["nobody", "never"])
def test_a_dead_collector_harms_nobody(tmp_path: Path, answers: str) -> None:
    with silent(answers) as url:
        asked = {"OTEL_EXPORTER_OTLP_ENDPOINT": url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
        with serving(tmp_path / "store", **asked) as (process, client):
            assert all(send(client)["receipt"] for _ in range(3))
            assert process.end() == 0
    assert "Traceback" not in "".join(process.told)


@pytest.mark.parametrize("answers", ["nobody", "never"])
def test_nobody_waits_for_a_dead_collector(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, answers: str
) -> None:
    monkeypatch.setattr("pipeline.spans.CLOSE_SECONDS", 0.2)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "300")
    with silent(answers) as url:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
        began = time.monotonic()
        with traces.traced("merge"):
            for _ in range(10):  # more than are kept
                traces.tell("commit", {new_upload_id(NOW): {} for _ in range(1_000)}, 0.1)
        assert time.monotonic() - began < 25  # the library's own patience is 30
    assert "does not answer" in caplog.text
    for thread in threading.enumerate():
        if thread.name in ("traces", "OtelBatchSpanRecordProcessor"):
            thread.join(60)
            assert not thread.is_alive()
