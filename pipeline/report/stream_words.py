"""Where a stream is, its dead letters, and what beginning anew comes to: text and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, Final

from pipeline.report.masking import without_ids
from pipeline.report.printable import printable
from pipeline.stream.letters import Failed, Poison
from pipeline.stream.messages import Claim
from pipeline.stream.renew import Renewal
from pipeline.stream.status import STAGES, Oldest, Status
from pipeline.taipei import TAIPEI

_STAGES: Final = {
    "taken": "收件 taken in", "dispatched": "分派 dispatched", "checked": "檢核 checked",
    "merged": "合併 merged", "recorded": "記錄 recorded", "committed": "寫入資料表 in the tables",
}  # fmt: skip
_GROUPS: Final = {
    "dispatched": "dispatch", "checked": "validate", "merged": "merge", "recorded": "record"
}  # fmt: skip
_MOST_NAMED: Final = 20


def status_json(status: Status) -> dict[str, Any]:
    """Where a stream is, for machines."""
    stream = status.stream
    told: dict[str, Any] = {
        "moves": status.moves, "prefix": stream.prefix, "base": stream.base,
        "through": dict(status.through),
        "lost": [vars(one) for one in status.lost],
    }  # fmt: skip
    if status.lost:
        return told
    return told | {
        "stands": list(status.stands),
        "nobody": status.nobody,
        "members": {group: [vars(one) for one in ones] for group, ones in status.members.items()},
        "partitions": [vars(one) | {"lag": one.lag} for one in status.places],
        "waiting": _oldest_json(status.waiting),
        "untabled": _oldest_json(status.untabled),
        "last_commit": status.last_commit.isoformat() if status.last_commit else None,
        "dead_letters": {
            "poison": status.poison, "failed": status.failed, "unanswered": status.unanswered
        },
    }  # fmt: skip


def status_lines(status: Status) -> Iterator[str]:
    """Where a stream is, for people."""
    stream = status.stream
    yield f"串流 stream {stream.prefix}  （{stream.ways} × {stream.partitions}）"
    if not status.lost:
        yield from _stage_lines(status)
        yield from _lag_lines(status)
        yield from _oldest_lines(status)
        told = letters_line(status.poison, status.failed, status.unanswered)
        yield f"死信 dead letters：{told}"
    yield from _verdict_lines(status)


def _stage_lines(status: Status) -> Iterator[str]:
    yield "    序號 through   等待 waiting"
    before = status.through["taken"]
    for stage in STAGES:
        through = status.through[stage]
        who = _who(status, _GROUPS.get(stage))
        yield f"{through:>16,}  {before - through:>12,}  {_STAGES[stage]}{who}"
        before = through


def _who(status: Status, group: str | None) -> str:
    """Who works at a stage."""
    if group is None:
        return ""
    working = [one for one in status.members[group] if one.partitions]
    if not working:
        return "  ✗ 沒有程序 nobody"
    if group in ("dispatch", "record"):
        return f"  領導 leads: {working[0].name} ({working[0].host})"
    return "  " + ", ".join(f"{one.name} ({len(one.partitions)})" for one in working)


def _lag_lines(status: Status) -> Iterator[str]:
    yield "落後的訊息，依分割 lag in messages, by partition:"
    for topic, places in groupby(status.places, key=lambda one: one.topic):
        yield f"  {topic:<10}" + " ".join(f"{one.lag:,}" for one in places)


def _oldest_lines(status: Status) -> Iterator[str]:
    if status.waiting:
        yield f"等最久的上傳 oldest waiting: {_oldest(status.waiting)}"
    if status.untabled:
        yield f"未入資料表最久 oldest in no table: {_oldest(status.untabled)}"
    last = "—"
    if status.last_commit:
        ago = (datetime.now(UTC) - status.last_commit).total_seconds()
        last = f"{_moment(status.last_commit)}（{ago:,.0f} 秒前 s ago）"
    yield f"最後寫入 last commit: {last}"


def _verdict_lines(status: Status) -> Iterator[str]:
    if status.moves:
        waits = status.through["recorded"] < status.through["taken"]
        yield "✓ 進行中 it moves" if waits else "✓ 沒有等待的上傳 nothing waits"
    for lost in status.lost:
        yield f"✗ Kafka 已遺失 has lost {lost}（nhi-upload stream renew）"
    if status.nobody and not status.lost:
        yield f"✗ 沒有程序 nobody: {', '.join(status.nobody)}"
    for stage in status.stands:
        yield f"✗ 停住 stands: {_STAGES[stage]}"


def letter_json(letter: Poison | Failed, waits: bool) -> dict[str, Any]:
    """A dead letter, for machines. ``waits``: of an upload that was not taken since."""
    told = {"number": letter.number, "at": _at(letter).isoformat(), "why": letter.why}
    if isinstance(letter, Poison):
        place = {"topic": letter.topic, "partition": letter.partition, "offset": letter.offset}
        return {"reason": "poison"} | told | place
    claim = letter.claim
    return {"reason": "failed"} | told | {
        "upload_id": claim.upload_id, "sequence": letter.sequence, "sha256": claim.sha256,
        "institution": claim.institution, "mode": claim.mode, "name": without_ids(claim.name),
        "partly": letter.partly, "taken_since": not waits,
    }  # fmt: skip


def letter_line(letter: Poison | Failed, waits: bool) -> str:
    """A dead letter on one line."""
    begin = f"{letter.number:>6}  {_moment(_at(letter))}"
    why = printable(letter.why)
    if isinstance(letter, Poison):
        place = f"{letter.topic}/{letter.partition}/{letter.offset}"
        return f"{begin}  無法讀取 poison  {place}  {why}"
    then = "尚未收下 not taken since" if waits else "已另收下 taken since"
    partly = "部分 partly " if letter.partly else ""
    return f"{begin}  {partly}處理失敗 failed  {letter.claim.upload_id}  {then}  {why}"


def letters_line(poison: int, failed: int, unanswered: int) -> str:
    """How many dead letters there are; ``unanswered``: of uploads that were not taken since."""
    return (
        f"無法讀取 poison {poison:,}，處理失敗 failed {failed:,}"
        f"（尚未收下 not taken since {unanswered:,}）"
    )


def renewal_json(renewal: Renewal, done: bool) -> dict[str, Any]:
    """What beginning anew comes to, for machines. ``done``: it was done."""
    old, new = renewal.old, renewal.new
    return {
        "renewed": done, "prefix": new.prefix, "base": new.base, "after": new.after,
        "before": {"prefix": old.prefix, "base": old.base},
        "losses": [vars(one) for one in renewal.losses],
        "remembered": renewal.end - renewal.start,
        "again": [one.upload_id for one in renewal.again],
        "lost": [one.upload_id for one in renewal.lost],
        "unclaimed": list(renewal.unclaimed),
    }  # fmt: skip


def renewal_lines(renewal: Renewal) -> Iterator[str]:
    """What beginning anew comes to, for people."""
    old, new = renewal.old, renewal.new
    for loss in renewal.losses:
        yield f"遺失 lost: {loss}"
    yield f"資料表到序號 the tables hold everything up to {new.after:,}"
    yield f"串流 stream {old.prefix} → {new.prefix}"
    yield (
        f"記得先前送過的 claims that are remembered: {renewal.end - renewal.start:,}；"
        f"由存檔再送 sent again from the archive: {len(renewal.again) - len(renewal.lost):,}"
    )
    if renewal.lost:
        yield f"存檔沒有內容，會失敗 not in the archive, will fail: {len(renewal.lost):,}"
        yield from _named([_claim(one) for one in renewal.lost])
    yield (
        "已存檔但無人認領，送件者須再送 archived, but nobody knows whose; their senders must send "
        f"them again: {len(renewal.unclaimed):,}"
    )
    yield from _named(renewal.unclaimed)


def _named(names: Sequence[str]) -> Iterator[str]:
    yield from (f"  {name}" for name in names[:_MOST_NAMED])
    if len(names) > _MOST_NAMED:
        yield f"  … {len(names) - _MOST_NAMED:,}（--format json）"


def _claim(claim: Claim) -> str:
    return f"{claim.upload_id}  {claim.institution or '-'}  {printable(without_ids(claim.name))}"


def _oldest(oldest: Oldest) -> str:
    return f"{oldest.upload_id or '?'}（{oldest.seconds:,.0f} 秒 s）"


def _oldest_json(oldest: Oldest | None) -> dict[str, Any] | None:
    return None if oldest is None else vars(oldest)


def _at(letter: Poison | Failed) -> datetime:
    return datetime.fromtimestamp(letter.at, UTC)


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(TAIPEI):%Y-%m-%d %H:%M:%S}"
