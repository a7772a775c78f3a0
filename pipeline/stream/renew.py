"""A stream begun anew behind the tables, where Kafka lost what the old one went on from.

    Step 1  the store is held, so nobody records; nobody is in the groups of the old stream
    Step 2  topics of a new name are made; claims that the old ``intake`` still has go into the new
            one, in their order, so that what was sent before is known; letters go along
    Step 3  ``stream.json`` names the new stream: until then nothing has changed

Who still works for the old stream can neither record (``topics.refuse_renewed``) nor be heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

import polars as pl

from pipeline.errors import PipelineError
from pipeline.store.committer import Committer
from pipeline.store.layout import Layout
from pipeline.store.opening import open_tables
from pipeline.store.read import Snapshot
from pipeline.stream.admin import make_topics, members_of, topics_of
from pipeline.stream.broker import Cluster, Reader, Sender
from pipeline.stream.letters import Failed, dead_letters
from pipeline.stream.losses import Loss, losses
from pipeline.stream.messages import Claim, PoisonError, claim_of
from pipeline.stream.standing import standing_of, through_source
from pipeline.stream.status import GROUPS
from pipeline.stream.topics import Stream, fix_stream, refuse_renewed, stream_of
from pipeline.stream.twins import REACH

_PREFIX: Final = re.compile(r"(.*?)(\d*)(\W*)")
_ARCHIVED: Final = re.compile(r"([0-9a-f]{64})\.zst")
_UPLOADS: Final = pl.Schema({"sha256": pl.String})


class NotRenewedError(PipelineError):
    """Nothing was changed, since it would not be safe, or there is no need."""


@dataclass(frozen=True)
class Renewal:
    """What beginning anew comes to.

    ``start``: the first offset of the old ``intake`` that goes into the new one, up to ``end``.
    ``again``: claims among them of uploads that are in no table; these are worked off, from the
    archive. ``lost``: claims among ``again`` whose bytes the archive lacks. ``unclaimed``: SHA-256
    of archived bytes that neither tables nor claims know of: their senders must send them again.
    """

    old: Stream
    new: Stream
    losses: Sequence[Loss]
    start: int
    end: int
    again: Sequence[Claim]
    lost: Sequence[Claim]
    unclaimed: Sequence[str]


@contextmanager
def renewing(cluster: Cluster, layout: Layout, *, whole: bool = False) -> Iterator[Renewal]:
    """Hold the store of a stream and see what beginning anew comes to; nothing is changed yet.

    ``whole``: even where nothing is lost. Raises ``NotRenewedError``, ``StoreBusyError`` while
    somebody holds the store, ``StoreUnusableError``, ``BrokerError``.
    """
    old = stream_of(layout)
    if old is None:
        raise NotRenewedError(
            f"{layout.uri} 不是由串流收件", f"{layout.uri} takes its uploads from no stream"
        )
    _refuse_members(cluster, old)
    # on object storage a recorder that died has let go of nothing: the store is taken from it
    recording, patience = layout.disk is None, cluster.session_ms / 1000
    with open_tables(layout.uri, wait_seconds=patience, recording=recording) as committer:
        refuse_renewed(layout, old)  # by somebody who held the store until now
        standing = standing_of(layout, old)
        through = max(standing.through, committer.last_sequence)
        lost = losses(cluster, old, standing)
        if not lost and not whole:
            raise NotRenewedError(
                "Kafka 沒有遺失任何資料，不需要重新開始（--whole 可強制）",
                "Kafka has all that the tables go on from: no need to begin anew (--whole does so)",
            )
        yield _seen(cluster, layout, old, committer, through, lost)


def renew(cluster: Cluster, layout: Layout, renewal: Renewal, replicas: int) -> None:
    """Begin anew, inside ``renewing``. Raises ``BrokerError``: then the old stream stands."""
    make_topics(cluster, renewal.new.topics, replicas)
    sender = Sender(cluster)
    _copy(cluster, sender, renewal, "dead")
    _copy(cluster, sender, renewal, "intake", renewal.start, renewal.end)
    fix_stream(layout, renewal.new)
    # who sent to the old stream until then was told that it is taken
    _copy(cluster, sender, renewal, "intake", renewal.end)


def _refuse_members(cluster: Cluster, stream: Stream) -> None:
    members = members_of(cluster, map(stream.topic, GROUPS))
    there = sorted({one.name for ones in members.values() for one in ones})
    if there:
        names, seconds = ", ".join(there), cluster.session_ms // 1000
        raise NotRenewedError(
            f"仍有程序在執行：{names}；請先停止，{seconds} 秒後再試",
            f"Workers still run: {names}; stop them, and try again after {seconds} s",
        )


def _seen(
    cluster: Cluster, layout: Layout, old: Stream, committer: Committer, through: int,
    lost: Sequence[Loss],
) -> Renewal:  # fmt: skip
    there = topics_of(cluster)
    low, end, behind = 0, 0, old.offset_behind(through)
    if old.topic("intake") in there:
        with Reader(cluster, old.topic("intake")) as reader:
            low, end = reader.bounds(0)
    if end < behind:  # what is there is of another stream, or nothing
        start = end = behind
    else:
        start = max(low, behind - REACH)
    prefix = _free_prefix(old.prefix, there, committer)
    new = replace(old, prefix=prefix, base=old.base + start, begun=through)
    again = list(_claims(cluster, old, max(start, behind), end))
    archived = _archived(layout)
    known = {claim.sha256 for claim in again}
    if old.topic("dead") in there:
        letters = dead_letters(cluster, old)
        known |= {one.claim.sha256 for one in letters if isinstance(one, Failed)}
    return Renewal(
        old, new, lost, start, end, again,
        [one for one in again if _has_bytes(one) and one.sha256 not in archived],
        sorted(archived - known - _tabled(layout)),
    )  # fmt: skip


def _free_prefix(prefix: str, there: set[str], committer: Committer) -> str:
    """A prefix that no stream of this store had, and no topic of the cluster has."""
    found = _PREFIX.fullmatch(prefix)
    assert found is not None  # noqa: S101
    name, number, rest = found[1], int(found[2] or 1), found[3]
    while True:
        number += 1
        new = Stream(0, f"{name}{number}{rest}")
        used = committer.tables.offset(through_source(new)) is not None
        if not used and not there & new.topics.keys():
            return new.prefix


def _claims(cluster: Cluster, stream: Stream, start: int, end: int) -> Iterator[Claim]:
    if start >= end:
        return
    with Reader(cluster, stream.topic("intake")) as reader:
        for message in reader.span(0, start, end):
            try:
                yield claim_of(message.value)
            except PoisonError:  # the dispatcher tells of it
                continue


def _has_bytes(claim: Claim) -> bool:
    return claim.refusal is None and not claim.dropped


def _archived(layout: Layout) -> set[str]:
    """The SHA-256 of every object of the archive."""
    names = layout.files.at("raw").at("objects").all_names()
    return {found[1] for name in names if (found := _ARCHIVED.fullmatch(name.rpartition("/")[2]))}


def _tabled(layout: Layout) -> set[str]:
    """The SHA-256 of every upload that is in the tables."""
    uploads = Snapshot(layout.uri, ("uploads",)).scan("uploads", _UPLOADS)
    return set(uploads.select("sha256").collect()["sha256"])


def _copy(
    cluster: Cluster, sender: Sender, renewal: Renewal, topic: str, start: int | None = None,
    end: int | None = None,
) -> None:  # fmt: skip
    """Messages of the old stream into the new one, in their order: all, or from an offset on, which
    must be there still, since places follow from it."""
    old = renewal.old.topic(topic)
    if old not in topics_of(cluster):
        return
    with Reader(cluster, old) as reader:
        low, last = reader.bounds(0)
        first = low if start is None else start
        for message in reader.span(0, first, last if end is None else end):
            sender.send(renewal.new.topic(topic), 0, message.value)
    sender.flush()
