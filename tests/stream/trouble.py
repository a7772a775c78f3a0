"""What happens to workers, brokers and messages, by chance."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from confluent_kafka.admin import AdminClient

from pipeline.stream.broker import BrokerError, Reader, Sender
from stream.house import House, Worker


@dataclass(frozen=True)
class _Sleep:
    """A worker that hangs."""

    since: float
    until: float


@dataclass
class Trouble:
    """Troubles of one house, and how many there were of each."""

    house: House
    random: Random
    happened: Counter[str] = field(default_factory=Counter)
    _asleep: dict[int, _Sleep] = field(default_factory=dict)

    def strike(self) -> None:
        """One more."""
        self._wake()
        troubles: dict[Callable[[], None], int] = {
            self._kill: 30, self._stop: 45, self._leave: 10, self._join: 10, self._lose_states: 6,
            self._repeat: 12, self._forget_offsets: 4,
        }  # fmt: skip
        if self.house.kafka.may_restart:
            troubles[self._restart_broker] = 4
        (trouble,) = self.random.choices(list(troubles), list(troubles.values()))
        with suppress(BrokerError):  # it may be away
            trouble()

    def calm(self) -> None:
        """Everybody is awake, and there are two of each kind."""
        self._wake(everybody=True)
        for kind in ("validate", "merge"):
            while sum(worker.kind == kind for worker in self.house.workers) < 2:
                self.house.start(kind, self.house.name())

    def _one(self, kind: str | None = None) -> Worker:
        """Any that is awake, if there is one: sleepers are to wake when others have their place."""
        those = [worker for worker in self.house.workers if kind in (None, worker.kind)]
        awake = [worker for worker in those if worker.pid not in self._asleep]
        return self.random.choice(awake or those)

    def _kill(self) -> None:
        self._begin_again(self._one())

    def _begin_again(self, worker: Worker) -> None:
        self._end(worker)
        self.house.start(worker.kind, worker.member)

    def _end(self, worker: Worker) -> None:
        self.house.end(worker)
        self._asleep.pop(worker.pid, None)
        self.happened.update(("killed", f"{worker.kind} killed"))

    def _lose_states(self) -> None:
        worker = self._one("merge")
        self._end(worker)
        self.house.ended(worker)
        if worker.member:
            self.house.lose_states(worker)
            self.happened["states lost"] += 1
        self.house.start(worker.kind, worker.member)

    def _leave(self) -> None:
        worker = self._one()
        if sum(one.kind == worker.kind for one in self.house.workers) > 1:
            self.house.tell(worker, signal.SIGCONT)
            self._asleep.pop(worker.pid, None)
            self.house.end(worker, signal.SIGTERM)
            self.happened["left"] += 1

    def _join(self) -> None:
        if len(self.house.workers) < 7:
            name = self.house.name() if self.random.random() < 0.5 else None
            self.house.start(self.random.choice(("validate", "merge")), name)
            self.happened["joined"] += 1

    def _stop(self) -> None:
        """For a moment, or beyond the session: then others take over, and a zombie wakes."""
        worker = self._one()
        if worker.pid not in self._asleep:  # else all are
            self.house.tell(worker, signal.SIGSTOP)
            now, session = time.monotonic(), self.house.session_ms / 1000
            sleep = self.random.choice((0.2, 1.5, 2.5)) * session
            self._asleep[worker.pid] = _Sleep(now, now + sleep)
            self.happened["stopped"] += 1

    def _wake(self, *, everybody: bool = False) -> None:
        now, session = time.monotonic(), self.house.session_ms / 1000
        for worker in self.house.workers:
            sleep = self._asleep.get(worker.pid)
            if sleep is not None and (everybody or sleep.until < now):
                del self._asleep[worker.pid]
                self.house.tell(worker, signal.SIGCONT)
                self.happened["woken beyond the session"] += now - sleep.since > session

    def _repeat(self) -> None:
        """Messages of any topic come once more, after younger ones."""
        house, sender = self.house, Sender(self.house.options.cluster)
        for topic, count in house.stream.topics.items():
            number = self.random.randrange(count)
            with Reader(house.options.cluster, topic) as reader:
                low, high = reader.bounds(number)
                if high == low:
                    continue
                reader.start_at({number: self.random.randrange(low, high)})
                for message in reader.read(self.random.randrange(1, 8), 0.5):
                    sender.send(topic, message.partition, message.value)
                    self.happened["messages repeated"] += 1
        sender.flush()

    def _forget_offsets(self) -> None:
        """The groups forget how far they were, as far as the cluster lets them."""
        house = self.house
        admin = AdminClient({"bootstrap.servers": house.kafka.bootstrap, "log_level": 0})
        groups = [house.stream.topic(name) for name in ("dispatch", "validate", "merge", "record")]
        kind = self.random.choice(("validate", "merge"))
        for worker in [one for one in house.workers if one.kind == kind]:
            self._begin_again(worker)
        for deleted in admin.delete_consumer_groups(groups).values():
            stays = deleted.exception(timeout=10)  # one that has members
            self.happened["groups forgotten"] += stays is None

    def _restart_broker(self) -> None:
        self.house.kafka.restart()
        self.happened["broker killed"] += 1
