"""The smallest part of a history that still shows a disagreement, and how to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from scenario import Sending, told

from tests.oracle.replay import Replay

SHOWN = ("H00", "H01", "M05", "M07", "M11", "M13", "M15", "M16", "M17", "M18",
         "M24", "M25", "M26", "M27", "M28", "M29", "M33", "M34")  # fmt: skip


def replayed(sent: Sequence[Sending]) -> Replay:
    """The slow replay of some uploads."""
    replay = Replay(sent[0].mode == "precheck")
    for one in sent:
        replay.take(one.name, one.payload, one.envelope)
    return replay


def minimal(
    sent: Sequence[Sending], disagrees: Callable[[Sequence[Sending]], bool]
) -> list[Sending]:
    """Uploads, then records, are left out one after the other while it still disagrees."""
    kept = list(sent)
    size = max(1, len(kept) // 2)
    while size:
        start = 0
        while start < len(kept):
            fewer = kept[:start] + kept[start + size :]
            if fewer and disagrees(fewer):
                kept = fewer
            else:
                start += size
        size //= 2
    for place in range(len(kept)):
        for record in reversed(range(len(kept[place].records))):
            records = kept[place].records
            shorter = replace(kept[place], records=records[:record] + records[record + 1 :])
            fewer = [*kept[:place], shorter, *kept[place + 1 :]]
            if shorter.records and disagrees(fewer):
                kept = fewer
    return kept


def as_text(sent: Sequence[Sending]) -> Iterator[str]:
    """A history to read: a line a record, and what the slow merge says of each upload."""
    replay = replayed(sent)
    for one, answer in zip(sent, replay.answers, strict=True):
        yield f"{one.name} received {one.received_at:%Y-%m-%d %H:%M:%S}: {told(answer) or 'good'}"
        for record in one.records:
            said = {name: record.fields[name] for name in SHOWN if name in record.fields}
            yield "    " + " ".join(f"{name}={text}" for name, text in said.items())
