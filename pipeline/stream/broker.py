"""Kafka as the workers use it: producing that is heard of, consuming in groups or by place.

Nothing here relies on a group's offsets being right, nor on transactions: what arrives twice is
dropped by whoever reads it (docs/STREAMING.md).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from os import getpid
from socket import gethostname
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

from confluent_kafka import (
    OFFSET_BEGINNING,
    OFFSET_END,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)

from pipeline.errors import PipelineError
from pipeline.stream.settled import SETTLE_SECONDS, settled

MOST_MESSAGE_BYTES: Final = 128 << 20  # an upload's records may all be one person's
_FLUSH_SECONDS: Final = 60.0
_LAG_SECONDS: Final = 1.0
_SPAN_SECONDS: Final = 30.0
_TOGETHER: Final = 10_000  # messages
_POLL_SECONDS: Final = 0.02
_LINGER: Final = 0.002  # seconds to wait for more once something came

_GONE: Final = frozenset((
    KafkaError._AUTO_OFFSET_RESET, KafkaError._LOG_TRUNCATION,  # noqa: SLF001 - named so
))  # fmt: skip

_log = logging.getLogger(__name__)

BEGINNING: Final = OFFSET_BEGINNING
END: Final = OFFSET_END


class BrokerError(PipelineError):
    """Kafka can't be reached, didn't take what was sent, or has no more what is to be read."""


@dataclass(frozen=True)
class Cluster:
    """Where Kafka is. ``settings`` go to librdkafka as they are, such as those of TLS and SASL."""

    bootstrap: str
    settings: Mapping[str, str] = field(default_factory=dict)
    session_ms: int = 10_000

    def of(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """The settings of a client."""
        return {
            "bootstrap.servers": self.bootstrap, "logger": _log, "error_cb": _tell,
            "broker.address.family": "v4", **self.settings, **more,
        }  # fmt: skip


class Received(NamedTuple):
    """A message that was read, and where it stood. ``at``: when it was sent, in seconds since
    1970, 0 where that is not known."""

    topic: str
    partition: int
    offset: int
    value: bytes
    at: float = 0.0


class Sender:
    """Produces; ``flush`` returns when the cluster has everything. Any thread may use it.

    ``patience``: seconds that it waits for the cluster.
    """

    def __init__(self, cluster: Cluster, patience: float = _FLUSH_SECONDS) -> None:
        self._patience = patience
        self._producer = Producer(
            cluster.of({
                "enable.idempotence": True, "acks": "all", "linger.ms": 2,
                "compression.type": "zstd", "message.max.bytes": MOST_MESSAGE_BYTES,
                "queue.buffering.max.kbytes": 512 << 10,
            })
        )  # fmt: skip
        self._failed: KafkaError | None = None

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Send a message, in the background. ``partition`` -1 leaves it to the key."""
        while True:
            try:
                self._producer.produce(topic, value, key, partition, self._heard)
            except KafkaException as error:
                raise _refused(error) from error
            except BufferError:  # as much is under way as may be: wait for some of it
                self._producer.poll(0.1)
                continue
            self._producer.poll(0)
            return

    def flush(self) -> None:
        """Wait until everything is with the cluster. Raises ``BrokerError``: then it may be there
        or not, and is to be sent again."""
        left = self._producer.flush(self._patience)
        failed, self._failed = self._failed, None
        if left or failed:
            raise _unconfirmed(failed)

    def deliver(self, topic: str, partition: int, value: bytes, seconds: float) -> int:
        """Send a message and wait until the cluster has it; gives its offset.

        Raises ``BrokerError``: then it may be there or not.
        """
        heard = list[tuple[KafkaError | None, Message]]()
        try:
            self._producer.produce(topic, value, None, partition, lambda *told: heard.append(told))
        except (KafkaException, BufferError) as error:
            raise _refused(error) from error
        until = time.monotonic() + seconds
        while not heard and time.monotonic() < until:
            self._producer.poll(_POLL_SECONDS)  # whoever polls hears for all
        failed, message = heard[0] if heard else (None, None)
        offset = message.offset() if message is not None and failed is None else None
        if offset is None:
            raise _unconfirmed(failed)
        return offset

    def _heard(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed = error


Behind = Callable[[str, Mapping[int, int]], None]
"""Is told, now and then, how many messages of a topic's partitions are not read yet."""

Taken = Callable[[Sequence[int]], Mapping[int, int]]
"""Partitions that came → offsets to start from."""


class Reader:
    """Consumes one topic, as a member of a group or by place. For one thread.

    ``taken`` says from where partitions are read that came; without it, where the group was.
    """

    def __init__(
        self, cluster: Cluster, topic: str, *, group: str | None = None, member: str | None = None,
        taken: Taken | None = None, lost: Callable[[Sequence[int]], None] | None = None,
        behind: Behind | None = None,
    ) -> None:  # fmt: skip
        self._topic = topic
        self._behind, self._told = behind, 0.0
        self._taken, self._lost = taken, lost
        self._closing = False
        self._starts = dict[int, int]()
        more = {
            "group.id": group or f"{topic}-by-place",
            "client.id": f"{gethostname()}-{getpid()}",
            "enable.auto.commit": False,
            "auto.offset.reset": "error",
            "session.timeout.ms": cluster.session_ms,
            "heartbeat.interval.ms": max(cluster.session_ms // 4, 200),
            "partition.assignment.strategy": "cooperative-sticky",
            "fetch.wait.max.ms": 50,
            "fetch.message.max.bytes": 8 << 20,
            "receive.message.max.bytes": 2 * MOST_MESSAGE_BYTES,
            "queued.max.messages.kbytes": 128 << 10,
            "allow.auto.create.topics": False,
        }
        if member is not None:
            more["group.instance.id"] = member
        self._consumer = Consumer(cluster.of(more))
        if group is not None:
            self._consumer.subscribe(
                [topic], on_assign=self._assign, on_revoke=self._revoke, on_lost=self._revoke
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def start_at(self, offsets: Mapping[int, int]) -> None:
        """Read these partitions, each from an offset on, in no group."""
        self._starts = dict(offsets)
        with _faults():
            self._consumer.assign([TopicPartition(self._topic, p, at) for p, at in offsets.items()])

    def read(self, most: int, seconds: float) -> list[Received]:
        """Messages, at most so many: as soon as one is there, and whatever else is there by then;
        none after some seconds.

        Faults that pass are left to the client, which tries again; others raise ``BrokerError``.
        So does a partition whose next message was trimmed or lost: it isn't passed over.
        """
        with _faults():
            first = self._consumer.poll(seconds)
        if self._behind and time.monotonic() - self._told > _LAG_SECONDS:
            self._told = time.monotonic()
            with suppress(BrokerError):  # what can't be asked now is told later
                self._behind(self._topic, self.lag())
        if first is None:
            return []
        with _faults():
            rest = self._consumer.consume(most - 1, _LINGER) if most > 1 else []
        return [_received(message) for message in (first, *rest) if _is_good(message)]

    def span(self, partition: int, start: int, end: int) -> Iterator[Received]:
        """The messages of a partition from an offset up to, but not with, another.

        Raises ``BrokerError`` where the cluster falls silent.
        """
        self.start_at({partition: start})
        at = start
        while at < end:
            messages = self.read(_TOGETHER, _SPAN_SECONDS)
            if not messages:
                raise BrokerError(
                    f"Kafka 未送回 {self._topic} 的訊息",
                    f"Kafka does not give back the messages of {self._topic}",
                )
            at = messages[-1].offset + 1
            yield from (message for message in messages if message.offset < end)

    def kept(self, partitions: Sequence[int], otherwise: int = BEGINNING) -> dict[int, int]:
        """From where the group goes on; ``otherwise`` for partitions it knows nothing of.

        Raises ``BrokerError``.
        """
        wanted = [TopicPartition(self._topic, number) for number in partitions]
        with _faults():
            places = self._consumer.committed(wanted, SETTLE_SECONDS)
        return {p.partition: p.offset if p.offset >= 0 else otherwise for p in places}

    def done(self, offsets: Mapping[int, int]) -> None:
        """Tell the group from where to go on. Losing that costs reading again, nothing else."""
        if not offsets:
            return
        try:
            self._consumer.commit(
                offsets=[TopicPartition(self._topic, p, at) for p, at in offsets.items()],
                asynchronous=False,
            )
        except KafkaException as error:
            _log.warning("kafka: offsets of %s not kept (%s)", self._topic, error.args[0].name())

    def pause(self, partitions: Iterable[int]) -> None:
        """Read nothing of these for now."""
        with _faults():
            self._consumer.pause([TopicPartition(self._topic, p) for p in partitions])

    def resume(self, partitions: Iterable[int]) -> None:
        """Read these again."""
        with _faults():
            self._consumer.resume([TopicPartition(self._topic, p) for p in partitions])

    def lag(self) -> dict[int, int]:
        """Messages not read yet, by partition read; where none was read, from where it begins.

        Raises ``BrokerError``.
        """
        behind = {}
        with _faults():
            places = self._consumer.position(self._consumer.assignment())
        for place in places:
            with _faults():
                _, high = self._consumer.get_watermark_offsets(place, cached=True)
            at = place.offset
            if at < 0 or high < 0:
                low, high = self.bounds(place.partition, _LAG_SECONDS)
                at = at if at >= 0 else self._start(place.partition, low, high)
            behind[place.partition] = max(high - at, 0)
        return behind

    def _start(self, partition: int, low: int, high: int) -> int:
        """The offset of the first message that is read of a partition."""
        start = self._starts[partition]
        if start == END:
            start = self._starts[partition] = high
        return max(start, low)

    def bounds(self, partition: int, patience: float = _FLUSH_SECONDS) -> tuple[int, int]:
        """The offsets of the first message that is kept and of the next to come.

        A partition whose leader is made, or moves, is asked again for some seconds. Raises
        ``BrokerError``.
        """
        place = TopicPartition(self._topic, partition)
        with _faults():
            low, high = settled(
                lambda left: self._consumer.get_watermark_offsets(place, timeout=left), patience
            )
        return int(low), int(high)

    def start_at_last(self, count: int) -> None:
        """Read the last messages of partition 0, and on from there, in no group."""
        low, high = self.bounds(0)
        self.start_at({0: max(low, high - count)})

    def close(self) -> None:
        """Leave the group."""
        self._closing = True
        self._consumer.close()
        if self._behind:
            self._behind(self._topic, {})

    def _assign(self, consumer: Consumer, places: list[TopicPartition]) -> None:
        numbers = [place.partition for place in places]
        if numbers and not self._closing:  # who leaves is told of partitions all the same
            starts = (self._taken or self.kept)(numbers)
            self._starts.update(starts)
            consumer.incremental_assign(
                [TopicPartition(self._topic, number, starts[number]) for number in numbers]
            )

    def _revoke(self, _: Consumer, places: list[TopicPartition]) -> None:
        if self._lost and places:
            self._lost([place.partition for place in places])


def _received(message: Message) -> Received:
    topic, partition, offset = message.topic(), message.partition(), message.offset()
    assert topic is not None and partition is not None and offset is not None  # noqa: PT018, S101
    _, stamp = message.timestamp()
    return Received(topic, partition, offset, message.value() or b"", max(stamp, 0) / 1000)


def _is_good(message: Message) -> bool:
    error = message.error()
    if error is not None and error.code() in _GONE:
        place = f"{message.topic()}/{message.partition()}"
        raise BrokerError(
            f"Kafka 已無 {place} 接續處的訊息；請見 nhi-upload stream renew --help",
            f"Kafka has no more what comes next in {place} ({error.str()}); "
            "see nhi-upload stream renew --help",
        )
    if error is not None and error.code() == KafkaError._FATAL:  # noqa: SLF001 - named so
        raise BrokerError(f"Kafka 錯誤：{error}", f"A fault of Kafka: {error}")
    if error is not None:
        _log.warning("kafka: %s", error.name())
    return error is None


@contextmanager
def _faults() -> Iterator[None]:
    """What the client can't do now may go well later."""
    try:
        yield
    except KafkaException as error:
        raise BrokerError(
            f"Kafka 暫時無法使用（{error.args[0].name()}）",
            f"Kafka can't be used now ({error.args[0].name()})",
        ) from error


def _refused(error: KafkaException | BufferError) -> BrokerError:
    why = error.args[0].name() if isinstance(error, KafkaException) else "full"
    return BrokerError(f"Kafka 不接受訊息（{why}）", f"Kafka does not take a message ({why})")


def _unconfirmed(error: KafkaError | None) -> BrokerError:
    return BrokerError(
        f"Kafka 未確認收到（{error or '逾時'}）",
        f"Kafka has not confirmed what was sent ({error or 'timeout'})",
    )


def _tell(error: KafkaError) -> None:
    _log.warning("kafka: %s", error.name())
