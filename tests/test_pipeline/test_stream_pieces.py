"""The pure pieces of a stream: barriers, places to go on from, twins, windows, messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.merge.merge import MergePolicy
from pipeline.merge.state import MemoryState
from pipeline.outcome import Verdict
from pipeline.stream.dispatch import Ahead
from pipeline.stream.gather import Gather, Step
from pipeline.stream.lowest import Lowest
from pipeline.stream.merging import Part, Question, merge_step
from pipeline.stream.messages import Claim, PoisonError, claim_of, pack, pack_claim, unpack
from pipeline.stream.parts import Checked, checked_of, pack_checked, pack_part, part_of
from pipeline.stream.routing import Share
from pipeline.stream.twins import Recent
from pipeline.upload_ids import is_upload_id, later_id, new_upload_id
from rules import load_plan

WAYS = 3
Message = tuple[int, int, str | None]
"""Way, sequence, item; without item it is a mark."""
Steps = list[Step[str]]

CLAIM = Claim(
    "01JD9Z0000ABCDEFGHJKMNPQRS", "ab" * 32, 1_000, datetime(2025, 12, 1, tzinfo=UTC),
    "3501200007", "web-api", "official", "a.xml",
)  # fmt: skip


def a_log(r: Random) -> list[Message]:
    """One partition as several senders of each way write it: in order, doubled, some of it late."""
    last = r.randrange(5, 40)
    marks = [sorted({*r.sample(range(1, last + 1), r.randrange(1, 5)), last}) for _ in range(2)]
    streams = []
    for way in range(WAYS):
        for those in marks[: r.randrange(1, 3)]:  # a second dispatcher marks other places
            stream = [(at, way, f"{at}") for at in range(1, last + 1) if at % WAYS == way]
            all_marks = [(at + 0.5, way, None) for at in those]
            ordered = sorted([*stream, *all_marks], key=lambda one: one[0])
            streams.append([(way, int(at), item) for at, _, item in ordered])
    log: list[Message] = []
    while any(streams):
        stream = r.choice([stream for stream in streams if stream])
        log.append(stream.pop(0))
    return log


def fed(gather: Gather[str], lowest: Lowest, log: Sequence[tuple[int, Message]]) -> None:
    """Messages with their offsets."""
    for offset, (way, sequence, item) in log:
        lowest.read(offset, sequence)
        if item is None:
            gather.mark(way, sequence)
        else:
            gather.add(way, sequence, item)


def steps_of(log: list[Message], r: Random) -> tuple[Steps, list[int]]:
    """The steps of a log read in lots of any size, and from where to go on after each."""
    gather, lowest, at = Gather[str](range(WAYS), 0), Lowest(), 0
    steps, lows = list[Step[str]](), list[int]()
    while at < len(log):
        size = r.randrange(1, 12)
        fed(gather, lowest, list(enumerate(log))[at : at + size])
        for step in gather.steps():
            steps.append(step)
            lows.append(lowest.finished(step.through))
        at += size
    return steps, lows


@given(st.randoms(use_true_random=False))
def test_the_steps_of_a_log_are_the_same_however_it_is_read(r: Random) -> None:
    log = a_log(r)
    steps, lows = steps_of(log, r)
    assert steps == steps_of(log, r)[0]
    assert [item for step in steps for _, _, item in step.items] == sorted(
        {item for _, at, item in log if item and at <= steps[-1].through}, key=int
    )
    for number, (step, low) in enumerate(zip(steps, lows, strict=True)):
        gather = Gather[str](range(WAYS), step.through)
        fed(gather, Lowest(low), list(enumerate(log))[low:])
        assert list(gather.steps()) == steps[number + 1 :]


def test_a_mark_that_some_ways_lack_is_no_barrier() -> None:
    gather = Gather[str](range(2), 0)
    gather.add(0, 1, "a")
    gather.mark(0, 1)
    gather.mark(0, 2)
    assert not list(gather.steps())
    gather.mark(1, 2)
    gather.mark(1, 1)  # late: what lies before it has been given
    assert [(step.after, step.through) for step in gather.steps()] == [(0, 2)]
    assert gather.waiting == 0


def test_what_comes_again_counts_once() -> None:
    gather = Gather[str](range(1), 5)
    for sequence, item in ((4, "old"), (6, "first"), (6, "second")):
        gather.add(0, sequence, item)
    gather.mark(0, 7)
    gather.add(0, 6, "third")
    assert [step.items for step in gather.steps()] == [((6, 0, "first"),)]


def test_lowest_is_where_the_first_unfinished_stands() -> None:
    lowest = Lowest(3)
    assert lowest.finished(0) == 3
    for offset, sequence in ((3, 9), (4, 7), (5, 8)):
        lowest.read(offset, sequence)
    assert [lowest.finished(through) for through in (7, 8, 9)] == [3, 3, 6]


def claims(*twins: str) -> Iterator[Claim]:
    """Claims of files by a letter each; ``a1`` is the second attempt at ``a``."""
    for number, twin in enumerate(twins):
        upload_id = f"{number:010}" + twin[0] * 16
        yield replace(CLAIM, upload_id=upload_id, again=int(twin[1:] or 0))


def first_of(recent: Recent, *twins: str) -> list[int | None]:
    """Which one each repeats."""
    found = [recent.first(at, claim) for at, claim in enumerate(claims(*twins))]
    return [one and one[0] for one in found]


def test_a_claim_repeats_the_first_in_reach() -> None:
    assert first_of(Recent(10), "a", "b", "a", "a", "b") == [None, None, 0, 0, 1]
    assert first_of(Recent(2), "a", "b", "a", "c", "a", "a") == [None, None, 0, None, 2, 4]


def test_an_attempt_repeats_no_earlier_one() -> None:
    assert first_of(Recent(10), "a", "a1", "a1", "a", "a2", "a1") == [None, None, 1, 1, None, 4]


@given(st.lists(st.sampled_from("abcd"), max_size=40), st.integers(1, 8), st.integers(0, 40))
def test_who_reads_back_the_reach_knows_what_is_to_be_known(
    twins: list[str], reach: int, start: int
) -> None:
    all_claims = list(claims(*twins))
    whole, late = Recent(reach), Recent(reach)
    expected = [whole.first(at, claim) for at, claim in enumerate(all_claims)]
    for at, claim in list(enumerate(all_claims))[max(0, start - reach) :]:
        found = late.first(at, claim)
        if at >= start:
            assert found == expected[at]


def test_the_dispatcher_waits_beyond_its_window() -> None:
    ahead = Ahead(3, most_bytes=100)
    for sequence in range(11, 14):
        ahead.add(sequence, 10)
    assert not ahead.too_far(10)
    ahead.add(14, 10)
    assert ahead.too_far(10)
    assert not ahead.too_far(11)
    ahead.add(15, 1_000)
    assert ahead.too_far(13)
    assert not ahead.too_far(15)


def test_a_later_id_is_another_of_the_same_thing() -> None:
    upload_id = new_upload_id(datetime(2025, 12, 1, tzinfo=UTC))
    assert is_upload_id(later_id(upload_id))
    assert later_id(upload_id) > upload_id
    assert later_id(upload_id)[10:] == upload_id[10:]
    assert later_id("0000000ZZZ" + upload_id[10:])[:10] == "0000001000"


@pytest.mark.parametrize(
    "claim",
    [
        CLAIM,
        replace(CLAIM, refusal=("Y007", "不是", "no"), address="10.0.0.1"),
        replace(CLAIM, repeats=("01JD9Z0000ABCDEFGHJKMNPQRS", 12), again=2, institution=None),
    ],
)
def test_a_claim_comes_as_it_was_sent(claim: Claim) -> None:
    assert claim_of(pack_claim(claim)) == claim


WRONG_CLAIMS = {
    "received_at": ("yesterday", "2025-12-01T00:00:00", 5, None), "size": (-1, "1", None, 1.5),
    "sha256": ("xyz", None, 3), "mode": ("other", None), "channel": ("mail", 1),
    "upload_id": (None, 3), "refusal": (["Y007"], "Y007", 3), "repeats": (["a"], [1, "a"], 3),
    "institution": (3, []), "again": (-1, "x"), "nothing": ("of ours",),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value"), [(name, one) for name, values in WRONG_CLAIMS.items() for one in values]
)
def test_a_claim_of_other_things_is_poison(name: str, value: object) -> None:
    with pytest.raises(PoisonError):
        claim_of(pack("claim", CLAIM.header() | {name: value}))


SHARE = Share(CLAIM, "2.0", "big5", "p", (1, 2), (10, 90), (0, 0), (b"<REC>1</REC>", b"<REC/>"))
PART = pack_part(Part(7, recounted={3: (1, 0, -1)}, held={4: (9, 21, 30)}, failed=(5,)), 12)
CHECKED = pack_checked(3, Checked({"upload_id": "a"}, None))
READERS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "claim": (pack_claim(CLAIM), claim_of),
    "share": (
        pack("share", SHARE.header, SHARE.records), lambda message: Share.of(*unpack(message)[1:])
    ),
    "part": (PART, lambda message: part_of(*unpack(message)[1:])),
    "checked": (CHECKED, lambda message: checked_of(*unpack(message)[1:])),
}  # fmt: skip


@pytest.mark.parametrize("kind", READERS)
@settings(deadline=None)
@given(r=st.randoms(use_true_random=False))
def test_whatever_bytes_come_they_are_read_or_told_to_be_poison(kind: str, r: Random) -> None:
    message, read = READERS[kind]
    spoilt = bytearray(message)
    for _ in range(r.randrange(1, 6)):
        at = r.randrange(len(spoilt) + 1)
        choice = r.randrange(4)
        if choice == 0:
            del spoilt[at:]
        elif choice == 1:
            spoilt[at:at] = r.randbytes(r.randrange(1, 5))
        elif choice == 2:
            spoilt[at : at + 1] = r.choice((b"9", b"-", b"[", b"null", b"\xff"))
        else:
            del spoilt[at : at + r.randrange(1, 9)]
    try:
        read(bytes(spoilt))
    except PoisonError:
        return


@pytest.mark.parametrize("message", [b"", b"\0\0\0\1", b"\0\0\0\2[]", b"\0\0\0\4null", b"{}"])
def test_what_is_no_message_is_poison(message: bytes) -> None:
    with pytest.raises(PoisonError):
        unpack(message)


def test_a_part_comes_as_it_was_sent() -> None:
    part, low = part_of(*unpack(PART)[1:])
    assert (part.through, part.failed, low) == (7, (5,), 12)
    assert part.recounted == {3: (1, 0, -1)}
    assert part.held == {4: (9, 21, 30)}


@pytest.mark.parametrize("months", [(), (2024 * 12 + 7,)])
def test_records_that_cannot_be_read_stop_no_step(months: tuple[int, ...]) -> None:
    """They are counted as rejected; an upload that all must count is still counted."""
    share = replace(SHARE, records=(b"<REC>", b"</REC>"), verdicts=(0, 2), months=months)
    state = MemoryState()
    merging = merge_step(
        Step(0, 9, ((4, 0, share),)), lambda _: state, lambda _: load_plan(), MergePolicy(), 8
    )
    asked, part = list[Question](), None
    try:
        question = next(merging)
        while True:
            asked.append(question)
            question = merging.send(None)
    except StopIteration as done:
        part = done.value
    assert [one.sequence for one in asked] == ([4] if months else [])
    assert part.failed == (4,)
    rejected = sum(verdict != Verdict.REJECTED for verdict in share.verdicts)
    assert part.recounted[4][2] == rejected == -part.recounted[4][0]
    assert not part.applied
