"""Opening and closing a service, and what it counts."""

from __future__ import annotations

import sqlite3
import sys
import threading
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from prometheus_client.parser import text_string_to_metric_families
from senders import not_unpacked, payload, payload_of, sender, service_at, standing_still, told
from visit_records import CLINIC, HOSPITAL, PERSON, moment, visit

from pipeline.errors import StoreBusyError, StoreUnusableError
from pipeline.intake.service import Service
from pipeline.store.store import open_store

MORNING = moment("2025-12-20T09:30:00")


def counted(service: Service) -> dict[tuple[str, ...], float]:
    """The metrics that aren't zero: name without prefix and labels → value."""
    families = text_string_to_metric_families(service.exposition().decode())
    return {
        (sample.name.removeprefix("nhi_upload_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.value and not sample.name.endswith("_created")
    }


def test_a_store_that_another_process_holds(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with open_store(store), pytest.raises(StoreBusyError), service_at(store, wait_seconds=0.1):
        pass


def test_a_log_of_a_later_program(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with service_at(store):
        pass
    with closing(sqlite3.connect(store / "intake.sqlite")) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreUnusableError, match="newer program"), service_at(store):
        pass
    with open_store(store, wait_seconds=0.1):  # it was let go of
        pass


def test_in_the_end_everything_is_settled_and_committed(tmp_path: Path) -> None:
    turns = sys.getswitchinterval()
    with service_at(tmp_path / "store", commit_seconds=600) as service, standing_still(service):
        for n in range(20):
            service.door.take(payload_of(visit(CLINIC, PERSON, MORNING + n)), sender())
        assert service.settling.health().waiting == 20
    assert len(pl.read_delta(str(tmp_path / "store/tables/visits"))) == 20
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith(("settling", "commit"))]
    assert sys.getswitchinterval() == turns
    assert not service.settling.health().alive


def test_what_is_counted(tmp_path: Path) -> None:
    good, bad = visit(CLINIC, PERSON, MORNING), visit(CLINIC, PERSON, MORNING + 1).broken()
    sent = [payload_of(good, bad), payload(b"<RECS>"), not_unpacked("a.zip")]
    with service_at(tmp_path / "store") as service:
        for one in sent:
            told(service, service.door.take(one, sender()))
        pre_check = payload_of(visit(HOSPITAL, PERSON, MORNING))
        told(service, service.door.take(pre_check, sender(HOSPITAL, "precheck")))
        service.settling.ask(lambda _: None).result(60)
        found = counted(service)
        last_commit = service.settling.health().last_commit
    assert found["uploads_total", "web-api", "official", "done"] == 1
    assert found["uploads_total", "web-api", "official", "refused"] == 2
    assert found["uploads_total", "web-api", "precheck", "done"] == 1
    assert found["records_total", "rejected"] == 1
    assert found["bytes_total",] == sum(len(one.data) for one in [*sent, pre_check])
    assert found["parser_fallback_total", "declined"] == 1
    assert found["stage_seconds_count", "take"] == 4
    assert found["stage_seconds_count", "wait"] == 4
    assert found["stage_seconds_count", "check"] == found["stage_seconds_count", "merge"] >= 1
    assert found["commit_seconds_count",] == found["stage_seconds_count", "commit"] >= 1
    assert last_commit
    assert found["last_commit_timestamp_seconds",] == last_commit.timestamp()
    assert not [key for key in found if key[0].startswith("waiting")]
