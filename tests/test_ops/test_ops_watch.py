"""What machines ask of a worker: what it counts, whether it lives, whether it works."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pipeline.errors import PipelineError
from pipeline.json_log import JsonLines
from pipeline.metrics import Metrics
from pipeline.stream import vitals as clock
from pipeline.stream.vitals import Vitals
from pipeline.stream.watch import Answers, PortTakenError, watched
from pipeline.stream.worker import Stop, work

OPEN_METRICS = "application/openmetrics-text; version=1.0.0"
UPLOAD = "01JEXAMP1E0000000000000000"


@pytest.fixture
def watching() -> Iterator[tuple[str, Metrics, Vitals]]:
    metrics, vitals = Metrics(), Vitals()
    with watched(("127.0.0.1", 0), Answers.of(metrics, vitals)) as port:
        yield f"http://127.0.0.1:{port}", metrics, vitals


def asked(url: str, accept: str = "*/*") -> tuple[int, str, str]:
    """Status, media type and body."""
    try:
        with urlopen(Request(url, headers={"Accept": accept}), timeout=10) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode()
    except HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read().decode()


def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    text = metrics.exposition(accept=OPEN_METRICS).decode()
    return {
        (one.name.removeprefix("nhi_upload_"), *one.labels.values()): one.value  # labels by name
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def row(**more: object) -> dict[str, object]:
    return {
        "upload_id": UPLOAD, "channel": "vpn", "mode": "official", "status": "done",
        "records_accepted": 9, "records_warned": 2, "records_rejected": 1,
        "received_at": datetime.now(UTC) - timedelta(seconds=20),
    } | more  # fmt: skip


def test_a_worker_begins_works_pauses_and_hangs(
    watching: tuple[str, Metrics, Vitals], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _, vitals = watching
    assert asked(f"{url}/healthz")[0] == 503  # nothing has begun
    vitals.begins("merge")
    vitals.begins("record")
    assert asked(f"{url}/healthz")[0] == 200
    assert asked(f"{url}/readyz")[0] == 503
    vitals.turns("merge")
    status, kind, body = asked(f"{url}/readyz")
    assert (status, kind) == (503, "application/json")
    assert json.loads(body) == {"status": "not-ready", "checks": {"merge": True, "record": False}}
    vitals.turns("record")
    assert asked(f"{url}/readyz")[0] == 200
    vitals.begins("record")  # a fault
    assert asked(f"{url}/readyz")[0] == 503
    assert asked(f"{url}/healthz")[0] == 200
    later = time.monotonic() + clock.ALIVE_SECONDS + 1
    monkeypatch.setattr(clock.time, "monotonic", lambda: later)
    assert json.loads(asked(f"{url}/healthz")[2])["checks"] == {"merge": False, "record": False}
    assert asked(f"{url}/other")[0] == 404


def test_a_port_that_another_process_has(watching: tuple[str, Metrics, Vitals]) -> None:
    url, metrics, vitals = watching
    port = int(url.rpartition(":")[2])
    with (
        pytest.raises(PortTakenError, match="無法監聽"),
        watched(("127.0.0.1", port), Answers.of(metrics, vitals)),
    ):
        pass


def test_exemplars_are_told_to_who_understands_them(
    watching: tuple[str, Metrics, Vitals],
) -> None:
    url, metrics, _ = watching
    metrics.spent("check", 0.3, {UPLOAD: {}})
    status, kind, body = asked(f"{url}/metrics", OPEN_METRICS)
    assert (status, kind.split(";")[0]) == (200, "application/openmetrics-text")
    (line,) = [one for one in body.splitlines() if UPLOAD in one]
    assert line.startswith('nhi_upload_stage_seconds_bucket{le="0.5",stage="check"} 1.0 # {')
    _, kind, body = asked(f"{url}/metrics")
    assert kind.startswith("text/plain")
    assert "nhi_upload_stage_seconds_count" in body
    assert UPLOAD not in body


def test_lag_is_told_of_partitions_that_are_read_here_only() -> None:
    metrics = Metrics()
    metrics.lag("nhi-uploads", {0: 5, 1: 0})
    metrics.lag("nhi-intake", {0: 7})
    metrics.lag("nhi-uploads", {1: 3, 2: 1})
    lags = {key[1:]: value for key, value in samples(metrics).items() if key[0] == "consumer_lag"}
    assert lags == {("1", "nhi-uploads"): 3, ("2", "nhi-uploads"): 1, ("0", "nhi-intake"): 7}


def test_the_disk_of_a_folder_that_is_made_later(tmp_path: Path) -> None:
    metrics = Metrics()
    metrics.watch_disk(tmp_path / "store" / "one")
    found = samples(metrics)
    assert 0 < found["store_free_bytes",] <= found["store_size_bytes",]


def test_a_receipt_counts_its_records_once_by_verdict() -> None:
    metrics = Metrics()
    metrics.receipted(row(), [{"code": "AA"}, {"code": "AA"}, {"code": "D024"}])
    metrics.receipted(row(status="refused", received_at=datetime.now(UTC) + timedelta(1)), [])
    found = samples(metrics)
    assert found["uploads_total", "vpn", "official", "done"] == 1
    assert found["uploads_total", "vpn", "official", "refused"] == 1
    verdicts = [found["records_total", name] for name in ("accepted", "warned", "rejected")]
    assert verdicts == [14, 4, 2]
    assert (found["findings_total", "AA"], found["findings_total", "D024"]) == (2, 1)
    assert found["receipt_seconds_count",] == 1  # the other's moment was set by somebody
    assert 20 <= found["receipt_seconds_sum",] < 60


class Failing:
    """A job that fails as often as it is told, then goes on until stopped."""

    def __init__(self, times: int, stop: Stop) -> None:
        self.left, self._stop = times, stop

    def run(self, going: Callable[[], bool]) -> None:
        if self.left:
            self.left -= 1
            raise PipelineError("壞了", "broken")
        assert going()
        self._stop.stop()
        assert not going()


def test_a_job_that_failed_begins_anew_and_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, metrics, vitals = Stop(), Metrics(), Vitals()
    monkeypatch.setattr(stop, "pause", lambda _: None)
    job = Failing(2, stop)
    work(stop, {"record": lambda: job}, metrics, vitals)
    assert samples(metrics)["job_faults_total", "record"] == 2
    assert vitals.ready() == {"record": True}


def test_a_line_of_the_log_tells_what_it_is_about() -> None:
    line = logging.LogRecord("pipeline.stream.checking", 20, "", 0, "checked", None, None)
    line.facts = {"upload_id": UPLOAD, "sequence": 7}
    told = json.loads(JsonLines().format(line))
    assert (told["message"], told["upload_id"], told["sequence"]) == ("checked", UPLOAD, 7)
