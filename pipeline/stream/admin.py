"""What is asked of Kafka as a whole: its topics, and who reads them in groups."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pipeline.stream.broker import MOST_MESSAGE_BYTES, BrokerError, Cluster
from pipeline.stream.settled import settled

_SECONDS: Final = 60.0
_RETENTION: Final = "-1"  # of what recovery reads; ops/RUNBOOK.md says when to shorten it


@dataclass(frozen=True)
class Member:
    """A process in a group: its name for good, or host and process id; the partitions it has."""

    name: str
    host: str
    partitions: tuple[int, ...]


def make_topics(cluster: Cluster, partitions: Mapping[str, int], replicas: int) -> None:
    """Make the topics that are not there. Raises ``BrokerError``.

    A topic that has another number of partitions is told: the stream's order depends on it.
    """
    admin = AdminClient(cluster.of({}))
    wanted = [
        NewTopic(
            name, count, replicas,
            config={"max.message.bytes": str(MOST_MESSAGE_BYTES), "retention.ms": _RETENTION},
        )
        for name, count in partitions.items()
    ]  # fmt: skip
    with _reaching(cluster):
        there = admin.list_topics(timeout=_SECONDS).topics
        missing = [topic for topic in wanted if topic.topic not in there]
        for made in admin.create_topics(missing).values() if missing else ():
            _known(made, KafkaError.TOPIC_ALREADY_EXISTS)
        _wait_for(admin, partitions)


def _wait_for(admin: AdminClient, partitions: Mapping[str, int]) -> None:
    """Until the cluster knows its new topics."""
    until = time.monotonic() + _SECONDS
    while True:
        there = admin.list_topics(timeout=_SECONDS).topics
        counts = {name: len(there[name].partitions) for name in partitions if name in there}
        for name, count in counts.items():
            if count and count != partitions[name]:
                raise BrokerError(
                    f"主題 {name} 有 {count} 個分割，應為 {partitions[name]}",
                    f"Topic {name} has {count} partitions and should have {partitions[name]}; "
                    "the numbers are fixed when a stream is made",
                )
        if counts == dict(partitions) or time.monotonic() > until:
            return
        time.sleep(0.1)


def topics_of(cluster: Cluster) -> set[str]:
    """The names of all topics. Raises ``BrokerError``."""
    with _reaching(cluster):
        return set(AdminClient(cluster.of({})).list_topics(timeout=_SECONDS).topics)


def members_of(cluster: Cluster, groups: Iterable[str]) -> dict[str, list[Member]]:
    """Who is in each of some groups now, by name. Raises ``BrokerError``."""
    admin, names = AdminClient(cluster.of({})), list(groups)
    with _reaching(cluster):
        told = _of_groups(lambda left: admin.describe_consumer_groups(names, request_timeout=left))
    return {
        group: sorted(map(_member, one.members if one else ()), key=lambda one: one.name)
        for group, one in told.items()
    }


def positions(cluster: Cluster, group: str, topic: str, count: int) -> dict[int, int]:
    """From where a group goes on in the partitions of a topic, 0 where it never was.

    Raises ``BrokerError``.
    """
    admin = AdminClient(cluster.of({}))
    wanted = [TopicPartition(topic, number) for number in range(count)]
    asked = [ConsumerGroupTopicPartitions(group, wanted)]
    with _reaching(cluster):
        told = _of_groups(
            lambda left: admin.list_consumer_group_offsets(asked, request_timeout=left)
        )
    places = told[group].topic_partitions if told[group] else None
    found = {place.partition: place.offset for place in places or ()}
    return {number: max(found.get(number, 0), 0) for number in range(count)}


def _member(told: Any) -> Member:
    places = told.assignment.topic_partitions if told.assignment else ()
    return Member(
        told.group_instance_id or told.client_id, told.host.lstrip("/"),
        tuple(sorted(place.partition for place in places)),
    )  # fmt: skip


def _of_groups(ask: Callable[[float], Mapping[str, Any]]) -> dict[str, Any]:
    """What the cluster says of groups; ``None`` of one that it does not know."""
    unknown = KafkaError.GROUP_ID_NOT_FOUND
    return settled(
        lambda left: {group: _known(one, unknown) for group, one in ask(left).items()}, _SECONDS
    )


def _known(answer: Any, but: int) -> Any:
    """What an answer says, ``None`` where it is but a certain error."""
    try:
        return answer.result()
    except KafkaException as error:
        if error.args[0].code() != but:
            raise
        return None


@contextmanager
def _reaching(cluster: Cluster) -> Iterator[None]:
    """What the cluster does not answer, or refuses, is a fault that is told."""
    try:
        yield
    except KafkaException as error:
        raise BrokerError(
            f"無法連上 Kafka {cluster.bootstrap}（{error.args[0].name()}）",
            f"Kafka at {cluster.bootstrap} can't be reached ({error.args[0].name()})",
        ) from error
