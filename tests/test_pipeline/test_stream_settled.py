"""What passes while a leader or a coordinator is made or moves is waited for, nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import KafkaError, KafkaException

from pipeline.stream.settled import settled

PASSES = (
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.NOT_COORDINATOR,
    KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
)  # fmt: skip


def failing(code: int, times: int) -> tuple[Callable[[float], str], list[float]]:
    """What answers after so many faults, and the seconds that it was given each time."""
    given = list[float]()

    def ask(left: float) -> str:
        given.append(left)
        if len(given) <= times:
            raise KafkaException(KafkaError(code))
        return "an answer"

    return ask, given


@pytest.mark.parametrize("code", PASSES)
def test_it_is_asked_again(code: int) -> None:
    ask, given = failing(code, 2)
    assert settled(ask, 60.0) == "an answer"
    assert len(given) == 3
    assert 60.0 >= given[0] > given[1] > given[2] > 50.0


def test_no_longer_than_its_patience() -> None:
    ask, given = failing(KafkaError.NOT_COORDINATOR, 1_000)
    with pytest.raises(KafkaException):
        settled(ask, 0.3)
    assert 2 <= len(given) <= 5


def test_what_does_not_pass_is_told_at_once() -> None:
    ask, given = failing(KafkaError.GROUP_AUTHORIZATION_FAILED, 1)
    with pytest.raises(KafkaException):
        settled(ask, 60.0)
    assert len(given) == 1
