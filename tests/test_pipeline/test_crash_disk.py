"""A disk that is full, read-only or failing: told in both languages, nothing broken, resumed."""

from __future__ import annotations

import errno

import pytest
from crash.faults import Deed, Fault
from crash.stage import Stage, Trials

OUR_FAULT = 70
FAULTS = [
    (Deed.FAIL_FROM, errno.ENOSPC),
    (Deed.FAIL_FROM, errno.EROFS),
    (Deed.FAIL_FROM, errno.EIO),
    (Deed.FAIL_ONCE, errno.EIO),
    (Deed.SHORTEN, 0),
]

NAMES = [f"{deed.name}-{errno.errorcode.get(error, '')}" for deed, error in FAULTS]


def assert_told(said: str) -> None:
    """Both languages, what to do, and nothing meant for programmers."""
    assert "請清出磁碟空間或修正權限後再執行一次" in said
    assert "Free disk space or mend the permissions and run again" in said
    assert "Traceback" not in said
    assert "\x1b" not in said


@pytest.mark.parametrize(("deed", "error"), FAULTS, ids=NAMES)
@pytest.mark.parametrize("part", range(2))
def test_the_disk_fails(stage: Stage, deed: Deed, error: int, part: int) -> None:
    trials = Trials()
    for number in stage.moments(part, 2, short=1):
        with trials.of(number):
            world = stage.world(f"{deed.name}-{error}-{number}")
            ended = stage.take(world, Fault(number, deed, error))
            assert ended.code in (OUR_FAULT, 0), ended.said
            if ended.code:
                assert_told(ended.said)
            stage.assert_ends_well(world)
    trials.assert_all_well()


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EROFS])
def test_receipts_can_not_be_written(stage: Stage, error: int) -> None:
    """Receipts on a disk of their own: what is in the store stands, and no receipt is lost."""
    trials = Trials()
    for number in range(1, 40, 1 if stage.long else 19):
        with trials.of(number):
            world = stage.world(f"receipts-{error}-{number}")
            fault = Fault(number, Deed.FAIL_FROM, error)
            ended = stage.take(world, fault, watch=[world.receipts])
            assert ended.code == OUR_FAULT
            assert "回條資料夾" in ended.said
            assert_told(ended.said)
            stage.assert_ends_well(world)
    trials.assert_all_well()


def test_the_command_says_so(stage: Stage) -> None:
    world = stage.world("command")
    arguments = ["run", *stage.sources, "--store", str(world.store)]
    ended = stage.command(world, *arguments, fault=Fault(150, Deed.FAIL_FROM, errno.ENOSPC))
    assert ended.code == OUR_FAULT
    assert_told(ended.said)
    assert stage.command(world, *arguments).code == 0
