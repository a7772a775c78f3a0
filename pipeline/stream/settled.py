"""What a cluster answers once it is settled: while a leader or a coordinator is made or moves it
answers faults that pass within seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

from confluent_kafka import KafkaError, KafkaException

SETTLE_SECONDS: Final = 15.0
_AGAIN_SECONDS: Final = 0.1
_SETTLING: Final = frozenset((
    KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE,
    KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
))  # fmt: skip

Answer = TypeVar("Answer")


def settled(ask: Callable[[float], Answer], patience: float) -> Answer:
    """Ask, and ask again for some seconds where that passes.

    ``ask`` gets how many seconds of ``patience`` are left. Raises ``KafkaException``.
    """
    now = time.monotonic()
    until, settled_by = now + patience, now + min(patience, SETTLE_SECONDS)
    while True:
        try:
            return ask(max(until - time.monotonic(), _AGAIN_SECONDS))
        except KafkaException as error:
            if error.args[0].code() not in _SETTLING or time.monotonic() > settled_by:
                raise
        time.sleep(_AGAIN_SECONDS)
