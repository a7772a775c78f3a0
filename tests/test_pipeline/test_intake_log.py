"""The intake log: order, mark, keys, what failed, and files that are none of ours."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from senders import EVENING, sender

from pipeline.errors import StoreUnusableError
from pipeline.intake.log import FORMAT, KEPT, MOST_TRIES, PRUNED_AT_ONCE, IntakeLog
from pipeline.intake.taken import Taken
from pipeline.outcome import Refusal

REFUSAL = Refusal("Z003", 0, 1, 1, "不是有效的 zip 檔", "no zip")


def taken(number: int, key: str | None = None, **changes: object) -> Taken:
    one = Taken(
        number, f"{number:026}", EVENING + timedelta(microseconds=number),
        sender(name=f"{number}.xml"), bytes([number % 256]) * 32, number, "plan", key,
    )  # fmt: skip
    return replace(one, **changes)  # type: ignore[arg-type]


def numbers(uploads: list[Taken]) -> list[int]:
    return [one.number for one in uploads]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "intake.sqlite"


def test_what_is_written_is_read_again_later(path: Path) -> None:
    uploads = [taken(1), taken(2, "key"), taken(3, refusal=REFUSAL)]
    with closing(IntakeLog(path)) as log:
        log.add(uploads)
    with closing(IntakeLog(path)) as log:
        assert log.unsettled() == uploads
        assert (log.last, log.last_received) == (3, uploads[-1].received_at)
        assert log.find(uploads[1].upload_id) == uploads[1]
        assert log.keyed(uploads[1].sender.institution, "key") == uploads[1]
        assert log.keyed("another", "key") is None


def test_all_rows_of_a_group_or_none(path: Path) -> None:
    with closing(IntakeLog(path)) as log:
        log.add([taken(1, "key")])
        with pytest.raises(sqlite3.IntegrityError):
            log.add([taken(2), taken(3, "key")])
        assert (numbers(log.unsettled()), log.last) == ([1], 1)


def test_the_mark_never_goes_back(path: Path) -> None:
    with closing(IntakeLog(path)) as log:
        log.add([taken(n) for n in range(1, 6)])
        log.mark_settled(3)
        log.mark_settled(2)
        assert (log.mark, numbers(log.unsettled())) == (3, [4, 5])


def test_what_failed_is_put_at_the_end(path: Path) -> None:
    with closing(IntakeLog(path)) as log:
        log.add([taken(n) for n in range(1, 5)])
        log.mark_failed([taken(2).upload_id])
        assert numbers(log.unsettled()) == [1, 3, 4]
        log.mark_settled(4)
        assert numbers(log.failed()) == [2]
        log.begin_tries()
        (again,) = log.unsettled()
        assert (again.number, again.upload_id, again.failed) == (5, taken(2).upload_id, False)
        log.add([taken(6)])
    with closing(IntakeLog(path)) as log:
        assert numbers(log.unsettled()) == [5, 6]


def test_what_fails_at_every_start_is_left_alone_in_the_end(path: Path) -> None:
    tried = 0
    with closing(IntakeLog(path)) as log:
        log.add([taken(1)])
        for _ in range(2 * MOST_TRIES):
            log.begin_tries()
            tried += len(log.unsettled())
            log.mark_failed([taken(1).upload_id])
        assert tried == MOST_TRIES
        assert [one.tries for one in log.failed()] == [MOST_TRIES]


def test_numbers_are_given_once_though_rows_are_forgotten(path: Path) -> None:
    with closing(IntakeLog(path)) as log:
        log.add([taken(n, str(n)) for n in range(1, 5)])
        log.mark_failed([taken(1).upload_id])
        log.mark_settled(3)
        log.prune(EVENING + KEPT)
        assert numbers(log.unsettled()) == [4]
        log.prune(EVENING + KEPT + timedelta(days=1))
        assert log.keyed(taken(2).sender.institution, "2") is None
        assert (numbers(log.failed()), numbers(log.unsettled())) == ([1], [4])
        log.mark_settled(4)
        log.prune(EVENING + 2 * KEPT)
    with closing(IntakeLog(path)) as log:
        assert log.last == 4


def test_rows_are_forgotten_a_few_at_a_time(path: Path) -> None:
    with closing(IntakeLog(path)) as log:
        log.add([taken(n, sha256=b"") for n in range(1, PRUNED_AT_ONCE + 4)])
        log.mark_settled(PRUNED_AT_ONCE + 2)
        late = EVENING + 2 * KEPT
        assert [log.prune(late) for _ in range(3)] == [PRUNED_AT_ONCE, 2, 0]
        assert numbers(log.unsettled()) == [PRUNED_AT_ONCE + 3]


def test_a_log_of_a_later_program_is_left_alone(path: Path) -> None:
    IntakeLog(path).close()
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT + 1}")
    before = path.read_bytes()
    with pytest.raises(StoreUnusableError, match="newer program"):
        IntakeLog(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("what", ["text", "another database"])
def test_a_file_that_is_no_log_is_told(path: Path, what: str) -> None:
    if what == "text":
        path.write_text("no database at all" * 100)
    else:
        with closing(sqlite3.connect(path)) as file:
            file.execute("PRAGMA application_id = 7")
    with pytest.raises(StoreUnusableError, match="intake log"):
        IntakeLog(path)
