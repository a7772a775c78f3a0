"""Upkeep of the store by the service that holds it."""

from __future__ import annotations

from datetime import UTC, datetime, time
from pathlib import Path
from time import monotonic, sleep

import pytest
from visit_records import PERSON
from web_house import WebHouse, X, good_visit

from pipeline.cli import main
from pipeline.taipei import TAIPEI, seconds_until
from pipeline.web.upkeep import daily, keep_in_shape


def files_of(web: WebHouse, table: str) -> int:
    from deltalake import DeltaTable

    return len(DeltaTable(str(Path(web.house.store_uri) / "tables" / table)).file_uris())


def wait_until_ready(web: WebHouse) -> None:
    """The store is opened anew after it: for a moment the door is shut."""
    ends = monotonic() + 20
    while web.client().get("/readyz").status_code != 200:
        assert monotonic() < ends
        sleep(0.02)


def test_small_files_are_joined_and_work_goes_on(web: WebHouse) -> None:
    ids = []
    for number in range(6):
        ids.append(web.send(X, good_visit(X, PERSON, number)))
        web.commit()
    before = files_of(web, "uploads")
    keep_in_shape(web.house)
    assert files_of(web, "uploads") < before
    wait_until_ready(web)
    corrected = good_visit(X, PERSON, 0).but(M44="0000593")
    ids.append(web.send(X, corrected))
    web.commit()
    listed = web.client(X).get("/api/v1/uploads").json()["uploads"]
    assert {one["upload_id"] for one in listed} == set(ids)
    told = web.client(X).post("/api/v1/visits/search", json={"treatment_id": corrected.id}).json()
    assert told["stands"]["upload_id"] == ids[-1]


def test_the_store_is_whole_afterwards(web: WebHouse, capsys: pytest.CaptureFixture[str]) -> None:
    web.send(X, good_visit(X, PERSON, 90))
    web.commit()
    keep_in_shape(web.house)
    wait_until_ready(web)
    web.house.service.settling.stop()
    assert main(["store", "verify", "--store", web.house.store_uri]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        (datetime(2025, 12, 21, 3, 0, tzinfo=TAIPEI), 1_800),
        (datetime(2025, 12, 21, 3, 30, tzinfo=TAIPEI), 86_400),
        (datetime(2025, 12, 20, 19, 29, 30, tzinfo=UTC), 30),
        (datetime(2025, 12, 31, 23, 30, tzinfo=TAIPEI), 4 * 3_600),
    ],
)
def test_the_next_time_is_that_of_taipei(now: datetime, seconds: float) -> None:
    assert seconds_until(time(3, 30), now) == seconds


def test_whoever_waits_for_its_hour_can_be_stopped(web: WebHouse) -> None:
    with daily(web.house, "03:30"), daily(web.house, None):
        pass
