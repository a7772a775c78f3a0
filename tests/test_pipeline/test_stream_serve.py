"""``nhi-upload serve`` in front of a stream: two of them side by side, killed now and then."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
from processes import Process, command
from stream.threads import Running, wait_until
from visit_records import CLINIC, PERSON, moment, prescribing, upload

from pipeline.accounts.accounts import accounts_url, open_accounts
from pipeline.accounts.who import OPERATOR
from pipeline.cli import main
from pipeline.settings import Settings
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.taipei import TAIPEI
from tests.kafka.server import Broker, broker

XML = {"Content-Type": "application/xml"}
SENDERS, EACH, KILLS = 6, 25, 3
PATIENCE = 240.0
YESTERDAY = moment(f"{datetime.now(TAIPEI) - timedelta(days=1):%Y-%m-%d}T08:00")


@pytest.fixture(scope="module")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    started = broker(tmp_path_factory.mktemp("kafka"))
    yield started
    started.kill()


@pytest.fixture
def options(kafka: Broker, tmp_path: Path) -> Options:
    cluster = Cluster(kafka.bootstrap)
    prefix = f"{tmp_path.parent.name}-"
    options = Options(cluster, str(tmp_path / "store"), prefix=prefix, pace=Pace(0.5))
    open_stream(options)
    return options


def settings_of(options: Options) -> Settings:
    return Settings(accounts_url=f"sqlite:///{options.store_uri}.accounts")


@dataclass
class Street:
    """Services side by side; ``places`` are where they answer now."""

    options: Options
    key: str
    _open: ExitStack
    places: list[tuple[str, Process]] = field(default_factory=list)

    def begin(self) -> tuple[str, Process]:
        """One more of them: where it answers, and its process."""
        options = self.options
        process = self._open.enter_context(command(
            "-m", "pipeline", "serve", "--store", options.store_uri, "--port", "0",
            "--bootstrap-servers", options.cluster.bootstrap,
            environment={"NHI_UPLOAD_ACCOUNTS_URL": f"sqlite:///{options.store_uri}.accounts"},
        ))  # fmt: skip
        return process.wait_for(r"ready: (https?://\S+)")[1], process

    def post(self, number: int, key: str, wait: int) -> httpx.Response:
        """An upload to any of them."""
        return httpx.post(
            f"{random.choice(self.places)[0]}/api/v1/uploads",
            params={"name": key, "wait": wait},
            content=visit(number),
            headers=XML | {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key},
            timeout=60,
        )


@contextmanager
def street(options: Options) -> Iterator[Street]:
    settings = settings_of(options)
    with open_accounts(accounts_url(settings, options.store_uri)) as accounts:
        key = accounts.create_key(OPERATOR, [CLINIC], "test")
    with ExitStack() as services:
        here = Street(options, key, services)
        here.places += [here.begin(), here.begin()]
        yield here


def visit(number: int) -> bytes:
    """One that is taken today: yesterday's, since a service's clock is the machine's."""
    return upload([prescribing(CLINIC, PERSON, YESTERDAY + 60 * number)])


def persist(street: Street, number: int, given: dict[str, set[str]], lost: list[str]) -> None:
    """Send until there is a ticket, then once more: whoever got an answer knows it."""
    key, until = f"key-{number}", time.monotonic() + PATIENCE
    tickets = 0
    while tickets < 2:
        assert time.monotonic() < until, key
        try:
            answer = street.post(number, key, wait=10 * (number % 3 == 0))
        except httpx.HTTPError:  # the service was killed: whether it took that nobody can say
            lost.append(key)
            time.sleep(0.2)
            continue
        if answer.status_code == 503:
            time.sleep(0.5)
            continue
        assert answer.status_code == 202, answer.text
        given.setdefault(key, set()).add(answer.json()["upload_id"])
        tickets += 1


def test_killed_at_any_moment_each_upload_is_taken_once(options: Options) -> None:
    given, lost = dict[str, set[str]](), list[str]()
    with Running(options, [run_validate, run_merge]), street(options) as here:

        def send(sender: int) -> None:
            for number in range(sender * EACH, (sender + 1) * EACH):
                persist(here, number, given, lost)

        threads = [threading.Thread(target=send, args=(n,)) for n in range(SENDERS)]
        for thread in threads:
            thread.start()
        for kill in range(KILLS):
            time.sleep(random.uniform(0.3, 1.5))
            here.places[kill % 2][1].end(signal.SIGKILL)
            here.places[kill % 2] = here.begin()
        for thread in threads:
            thread.join()
        table = f"{options.store_uri}/tables/uploads"
        wait_until(lambda: _named(table) >= set(given), "not everything is recorded")
        told = here.post(0, "key-0", wait=10)
        assert here.places[0][1].end() == 0
    assert len(given) == SENDERS * EACH
    rows = pl.read_delta(table)
    taken = rows.filter(pl.col("redelivery_of").is_null())
    assert sorted(taken["name"]) == sorted(given)
    assert taken["status"].unique().to_list() == ["done"]
    for key, name in zip(taken["upload_id"], taken["name"], strict=True):
        assert given[name] == {key}
    assert told.json()["receipt"]["counts"]["records"] == 1
    assert told.headers["Idempotent-Replayed"] == "true"
    assert taken["records"].to_list() == [1] * len(given)
    assert pl.read_delta(f"{options.store_uri}/tables/visits").height == len(given)


def _named(table: str) -> set[str]:
    try:
        return set(pl.read_delta(table)["name"])
    except Exception:  # no table yet
        return set()


def test_what_does_not_go_together_is_told(
    options: Options, capsys: pytest.CaptureFixture[str]
) -> None:
    serve = ["serve", "--store", options.store_uri, "--port", "0"]
    assert main(serve) == 64
    assert "--bootstrap-servers" in capsys.readouterr().err
    hosts = ["--bootstrap-servers", options.cluster.bootstrap, "--upkeep", "03:30"]
    assert main([*serve, *hosts]) == 64
    assert "worker merge --upkeep" in capsys.readouterr().err
