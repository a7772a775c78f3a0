"""What we failed on is known to who asks, whenever the service before the stream was started."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from senders import Clock, payload_of
from stream.threads import Running, wait_until, wait_until_recorded
from visit_records import CLINIC, PERSON, moment, visit

from pipeline.intake.sender import Sender
from pipeline.settings import Settings
from pipeline.store.layout import layout_of
from pipeline.stream.broker import Cluster
from pipeline.stream.broker import Sender as Producer
from pipeline.stream.process import Options, open_stream, run_merge, run_validate
from pipeline.stream.publish import publish_failed
from pipeline.stream.recorder import Pace
from pipeline.stream.service import StreamService, open_stream_service
from tests.kafka.server import Broker, broker
from tests.oracle.replay_tables import read

MORNING = moment("2025-12-21T09:30:00")
JOBS = [run_validate, run_merge]
AS_CLINIC = Sender(CLINIC, "web-api", "official")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Broker]:
    started = broker(tmp_path / "kafka")
    yield started
    started.kill()


@contextmanager
def service(options: Options) -> Iterator[StreamService]:
    with open_stream_service(
        options.store_uri, Settings(), options.cluster, clock=Clock(), prefix=options.prefix
    ) as opened:
        yield opened


def known(service: StreamService, upload_id: str) -> dict[str, Any]:
    found = service.outcomes.waits(upload_id)
    assert found is not None
    return {name: found[name] for name in ("institution", "name", "failed")}


def test_it_is_known_after_a_start_until_it_is_taken(kafka: Broker, tmp_path: Path) -> None:
    options = Options(
        Cluster(kafka.bootstrap), str(tmp_path / "store"), prefix="failed-", pace=Pace(0.5)
    )
    uploads = [
        payload_of(visit(CLINIC, PERSON, MORNING + 60 * at), name=f"{at}.xml") for at in range(3)
    ]
    with service(options) as first:
        tickets = [first.door.take(one, AS_CLINIC) for one in uploads]
        lost = tickets[1].upload_id
        (path,) = (layout_of(options.store_uri).raw / "objects").rglob(
            f"{uploads[1].sha256.hex()}.zst"
        )
        kept = path.read_bytes()
        path.unlink()
        with Running(options, JOBS):
            wait_until_recorded(options, 3)
            wait_until(lambda: first.outcomes.has_failed(lost), "nobody tells that it failed")
        told = known(first, lost)
    assert told == {"institution": CLINIC, "name": "1.xml", "failed": True}
    with service(options) as second:
        assert known(second, lost) == told
        assert not second.outcomes.wait(lost, 30.0)  # there is nothing to wait for
        assert second.settling.health().waiting == 0
        assert second.outcomes.failures == 1
        assert second.outcomes.waits(tickets[0].upload_id) is None  # the tables tell
        path.write_bytes(kept)
        stream = open_stream(options)
        sender = Producer(options.cluster)
        assert publish_failed(options.store_uri, options.cluster, sender, stream) == [lost]
        wait_until(lambda: not known(second, lost)["failed"], "it does not wait again")
        with service(options) as third, Running(options, JOBS):
            for here in (second, third):
                assert here.outcomes.wait(lost, 120.0)
                assert here.outcomes.failures == 0
            wait_until_recorded(options, 4)
    with service(options) as last:
        assert last.outcomes.waits(lost) is None
    assert read(Path(options.store_uri), "uploads").filter(upload_id=lost)["status"][0] == "done"
