"""What has become of uploads and may not be in the tables yet; and who waits to hear of it.

An outcome is told from here as soon as it is decided. It stays at least until it can be read in the
tables, so whoever looks here first and in the tables then misses nothing.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from threading import RLock
from typing import Any, Final, Literal

import pyarrow as pa

from pipeline.ingest.unpack import Payload
from pipeline.intake.recent_bytes import RecentBytes
from pipeline.intake.taken import Taken
from pipeline.intake.told import Told, told_of
from pipeline.intake.watchers import Watchers
from pipeline.limits import Limits
from pipeline.report.answer import Answer
from pipeline.report.stored import stored_answer
from pipeline.settle import Settled
from rules.plan import Plan

State = Literal["waiting", "told"]

_log = logging.getLogger(__name__)

RECENT_BYTES: Final = 64 << 20


@dataclass(eq=False)
class _Batch:
    """Outcomes that came together and go together, since their findings are one table.

    ``uncommitted`` are those that the tables may lack.
    """

    upload_ids: tuple[str, ...]
    size: int
    uncommitted: set[str]


class Outcomes:
    """For any number of threads. ``payload`` gives an upload's archived bytes by their digest.

    What the tables have stays up to ``recent_bytes``, the last used longest.
    """

    def __init__(
        self, plan: Plan, limits: Limits, payload: Callable[[bytes], bytes],
        recent_bytes: int = RECENT_BYTES,
    ) -> None:  # fmt: skip
        self._plan = plan
        self._limits = limits
        self._bytes = RecentBytes(payload)
        self._most_recent = recent_bytes
        self._lock = RLock()
        self._watchers = Watchers()
        self._waiting: dict[str, Taken] = {}
        self._failed: set[str] = set()
        self._told: dict[str, tuple[_Batch, Told]] = {}
        self._uncommitted: dict[_Batch, None] = {}
        self._recent: OrderedDict[_Batch, None] = OrderedDict()
        self._recent_bytes = 0

    # ---- asked by whoever answers people --------------------------------------------------------

    def state(self, upload_id: str) -> State | None:
        """``None``: nothing is known here; what was taken in is in the tables then."""
        with self._lock:
            if upload_id in self._told:
                return "told"
            return "waiting" if upload_id in self._waiting else None

    def has_failed(self, upload_id: str) -> bool:
        """Whether we failed on it, so that it waits for the next start."""
        return upload_id in self._failed

    @property
    def count_waiting(self) -> int:
        """How many are not decided, those we failed on left out."""
        with self._lock:
            return len(self._waiting) - len(self._failed & self._waiting.keys())

    @property
    def bytes_waiting(self) -> int:
        """Their plain bytes."""
        with self._lock:
            return sum(o.size for i, o in self._waiting.items() if i not in self._failed)

    @property
    def has_uncommitted(self) -> bool:
        """Whether something is told that the tables may lack."""
        return bool(self._uncommitted)

    def taken_in(self, upload_id: str) -> Taken | None:
        """An upload that waits."""
        return self._waiting.get(upload_id)

    @property
    def oldest_waiting(self) -> Taken | None:
        """The first of them."""
        with self._lock:
            return next((o for i, o in self._waiting.items() if i not in self._failed), None)

    @property
    def failures(self) -> int:
        """How many uploads we failed on."""
        return len(self._failed)

    def institution(self, upload_id: str) -> str | None:
        """Whose upload it is, if it is known here."""
        with self._lock:
            if upload_id in self._waiting:
                return self._waiting[upload_id].sender.institution
            found = self._told.get(upload_id)
            return found[1].row["institution"] if found else None

    def row(self, upload_id: str) -> dict[str, Any] | None:
        """The row of ``uploads`` of what is told."""
        with self._lock:
            found = self._told.get(upload_id)
            return dict(found[1].row) if found else None

    def findings(self, upload_id: str) -> pa.Table | None:
        """The rows of ``findings`` of what is told."""
        with self._lock:
            found = self._told.get(upload_id)
            return found[1].findings if found else None

    def answer(self, upload_id: str) -> Answer | None:
        """The answer to what is told: the very same that comes from the tables later."""
        with self._lock:
            found = self._told.get(upload_id)
            if found is None:
                return None
            batch, told = found
            if batch in self._recent:
                self._recent.move_to_end(batch)
        payload = None if told.refusal else self._bytes.get(bytes.fromhex(told.row["sha256"]))
        rows = told.findings.to_pylist()
        answer = stored_answer(told.row, rows, payload, self._plan, self._limits)
        return replace(answer, refusal=told.refusal) if told.refusal else answer

    def rows(self, institution: str | None = None) -> list[dict[str, Any]]:
        """Rows of ``uploads`` that are decided and that the table may lack, of one institution or
        of all."""
        with self._lock:
            rows = (
                self._told[upload_id][1].row
                for batch in self._uncommitted
                for upload_id in batch.upload_ids
                if upload_id in batch.uncommitted
            )
            return [dict(row) for row in rows if institution in (None, row["institution"])]

    def waiting(self, institution: str | None = None) -> list[dict[str, Any]]:
        """What is known of those that are not decided, in order of receipt, of one institution or
        of all; ``failed`` are those that wait for the next start."""
        with self._lock:
            return [
                self._known(one)
                for one in self._waiting.values()
                if institution in (None, one.sender.institution)
            ]

    def waits(self, upload_id: str) -> dict[str, Any] | None:
        """The same of one upload."""
        with self._lock:
            one = self._waiting.get(upload_id)
            return None if one is None else self._known(one)

    def _known(self, one: Taken) -> dict[str, Any]:
        return {
            "upload_id": one.upload_id,
            "sha256": one.sha256.hex(),
            "institution": one.sender.institution,
            "mode": one.sender.mode,
            "channel": one.sender.channel,
            "name": one.sender.name,
            "received_at": one.received_at,
            "failed": one.upload_id in self._failed,
        }

    def wait(self, upload_id: str, seconds: float) -> bool:
        """Wait until an outcome is told; whether it is. Gives up at once on what failed."""
        self._watchers.wait(upload_id, seconds, lambda: self._nothing_to_wait_for(upload_id))
        return self.state(upload_id) == "told"

    async def told(self, upload_id: str, seconds: float) -> bool:
        """``wait`` for coroutines."""
        await self._watchers.waited(
            upload_id, seconds, lambda: self._nothing_to_wait_for(upload_id)
        )
        return self.state(upload_id) == "told"

    def _nothing_to_wait_for(self, upload_id: str) -> bool:
        return self.state(upload_id) != "waiting" or self.has_failed(upload_id)

    # ---- told by the door and by settling -------------------------------------------------------

    def taken(self, uploads: Iterable[Taken]) -> None:
        """These wait to be settled, but for what is told already."""
        with self._lock:
            for one in uploads:
                if one.upload_id not in self._told:
                    self._waiting[one.upload_id] = one
                    self._failed.discard(one.upload_id)

    def started(self, waiting: Iterable[Taken], failed: Iterable[Taken]) -> None:
        """The store was opened: these wait, and those we failed on; what was told and is neither
        committed nor waits any more is in the tables."""
        with self._lock:
            self._waiting = {one.upload_id: one for one in waiting}
            waits = set(self._waiting)
            for one in failed:
                self._waiting[one.upload_id] = one
                self._failed.add(one.upload_id)
            told = {one for batch in self._uncommitted for one in batch.upload_ids}
        self.committed(told - waits)

    def read(self, payloads: Iterable[Payload]) -> None:
        """The bytes of what is about to be settled."""
        self._bytes.put(payloads)

    def settled(self, settled: Settled) -> set[str]:
        """What became of a batch, but for what failed; as ``tell``."""
        return self.tell(told_of(settled))

    def tell(self, told: Mapping[str, Told]) -> set[str]:
        """What became of some uploads; tells those who wait. Gives those of which nothing was told
        before, or that were held."""
        with self._lock:
            for one in [one for one in told if self._is_decided(one, told[one])]:
                self._told.pop(one)[0].uncommitted.discard(one)
            new = {one: outcome for one, outcome in told.items() if one not in self._told}
            self._check_told(told.keys() - new.keys(), told)
            size = sum(outcome.size for outcome in new.values())
            batch = _Batch(tuple(new), size, set(new))
            if new:
                self._told.update((one, (batch, outcome)) for one, outcome in new.items())
                self._uncommitted[batch] = None
            for one in told:
                self._waiting.pop(one, None)
                self._failed.discard(one)
        self._watchers.wake(told)
        return set(new)

    def _is_decided(self, upload_id: str, told: Told) -> bool:
        """Whether it was held, and is so no more."""
        before = self._told.get(upload_id)
        held = before is not None and before[1].row["status"] == "held"
        return held and told.row["status"] != "held"

    def _check_told(self, again: Iterable[str], told: Mapping[str, Told]) -> None:
        """What was told stands; that settling it again comes to the same is told to the operator
        where it isn't so."""
        changed = sum(self._told[one][1].verdict != told[one].verdict for one in again)
        if changed:
            _log.error("%d outcomes changed when they were settled again", changed)

    def failed(self, upload_ids: Iterable[str]) -> None:
        """We failed on these: they wait for the next start."""
        ids = list(upload_ids)
        with self._lock:
            self._failed.update(ids)
        self._watchers.wake(ids)

    def committed(self, upload_ids: Collection[str]) -> None:
        """The tables have these."""
        with self._lock:
            for upload_id in upload_ids:
                if upload_id in self._told:
                    self._told[upload_id][0].uncommitted.discard(upload_id)
            done = [batch for batch in self._uncommitted if not batch.uncommitted]
        for batch in done:  # those who ask come in between
            with self._lock:
                if batch in self._uncommitted:
                    self._commit(batch)

    def recorded(self, through: int) -> None:
        """The tables have everything up to a place in the order."""
        with self._lock:
            known = self._told.items()
            self.committed([one for one, (_, told) in known if told.row["sequence"] <= through])
            settled = [
                one for one, taken in self._waiting.items()
                if taken.number <= through and one not in self._failed
            ]  # fmt: skip
            for one in settled:
                del self._waiting[one]
        self._watchers.wake(settled)

    def forget_committed(self) -> None:
        """Rows of the tables may have been changed: they tell from now on."""
        with self._lock:
            while self._recent:
                self._forget_oldest()

    def _commit(self, batch: _Batch) -> None:
        del self._uncommitted[batch]
        self._recent[batch] = None
        self._recent_bytes += batch.size
        while self._recent_bytes > self._most_recent:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        batch, _ = self._recent.popitem(last=False)
        self._recent_bytes -= batch.size
        for upload_id in batch.upload_ids:
            if upload_id in self._told and self._told[upload_id][0] is batch:
                del self._told[upload_id]
