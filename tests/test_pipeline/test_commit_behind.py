"""A commit made by another thread while settling goes on comes to what a plain one does."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from behind import STOPS, Behind, committing_behind, intake_of, settle_all
from histories import history
from registration_files import HUA, MEI, MING, NAME, RECEIVED, csv_of
from scenario import Sending
from store_oracle import table

from pipeline import registrations
from pipeline.batches import Checker
from pipeline.errors import StoreWriteError
from pipeline.merge.merge import MergePolicy
from pipeline.registrations import SentFile, load_registrations
from pipeline.settle import Settler
from pipeline.store.journal import Journal
from pipeline.store.layout import layout_of
from pipeline.store.state_db import StateDb
from pipeline.store.store import Store, open_store
from pipeline.store.verify import verify
from rules import load_plan
from rules.registrations import load_registration_plan
from schemas.tables import Track
from tests.oracle.replay_tables import expected, stored

QUICK, LONG = 2, 100
Saved = list[tuple[str, bytes, bytes]]


def batches(sent: Sequence[Sending], random: Random) -> list[Sequence[Sending]]:
    """A history cut somewhere, some dozen times."""
    cuts = sorted({0, len(sent), *(random.randrange(len(sent)) for _ in range(12))})
    return [sent[start:stop] for start, stop in pairwise(cuts)]


def state_of(store: Path, track: Track) -> Saved:
    state = StateDb(layout_of(store).state(track))
    try:
        return list(state.contents())
    finally:
        state.close()


def settle_behind(
    store: Path, sent: list[Sequence[Sending]], random: Random, behind: Behind
) -> None:
    """Settle batches; commits begin after some, stop somewhere, and end after others."""

    def commit(opened: Store) -> None:
        if random.random() < 0.6:
            behind.stop = random.choice([None, *STOPS])
            behind.commit(opened)
        elif random.random() < 0.3:
            behind.wait()

    def end(opened: Store) -> None:
        behind.wait()
        opened.commit()

    settle_all(store, sent, commit, end)


def test_histories_are_told_as_the_slow_twin_tells_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    for seed in range(LONG if pytestconfig.getoption("--long") else QUICK):
        made, random = history(seed), Random(seed)
        sent = batches(made.sent, random)
        plain, store = tmp_path / f"plain-{seed}", tmp_path / f"behind-{seed}"
        settle_all(plain, sent)
        with committing_behind(monkeypatch) as behind:
            settle_behind(store, sent, random, behind)
        assert behind.overlapping >= 3
        of_store, of_replay = stored(store), expected(made.replay)
        for name, rows in of_replay.items():
            assert of_store[name] == rows, (seed, name)
        assert state_of(store, "official") == state_of(plain, "official"), seed
        assert [p for one in verify(store) for p in one.found.problems] == []


def test_official_uploads_and_prechecks_in_one_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each mode has its own tables and state, though both are settled and committed together."""
    random = Random(9)
    both = [*history(11).sent, *history(12, 40, precheck=True).sent]
    both = sorted(both, key=lambda one: (one.received_at, one.name))
    sent = batches(both, random)
    for mode in ("official", "precheck"):
        of_mode = [one for one in both if one.mode == mode]
        settle_all(tmp_path / mode, [of_mode])
    settle_all(tmp_path / "plain", sent)
    with committing_behind(monkeypatch) as behind:
        settle_behind(tmp_path / "behind", sent, random, behind)
    for precheck in (False, True):
        assert stored(tmp_path / "behind", precheck) == stored(tmp_path / "plain", precheck)
    for track in ("official", "precheck"):
        assert state_of(tmp_path / "behind", track) == state_of(tmp_path / "plain", track)
        assert state_of(tmp_path / "behind", track) != []
    for name in ("visits", "prescriptions", "precheck_visits", "precheck_history"):
        alone = "precheck" if name.startswith("precheck") else "official"
        keys = [sorted(_named(tmp_path / store, name)) for store in ("behind", alone)]
        assert keys[0] == keys[1] != []


def _named(store: Path, name: str) -> list[str]:
    """The rows of a table by what is the same whatever else the store took."""
    columns = {"prescriptions": ["prescription_id", "kind", "refill", "status"]}
    chosen = columns.get(name, ["treatment_id", "record", "byte_offset", "received_at"])
    return [repr(row) for row in table(store, name).select(chosen).to_dicts()]


@pytest.mark.parametrize("stop", [stop for stop in STOPS if stop != "before the state"])
def test_registrations_replaced_while_a_commit_is_under_way(
    stop: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registrations, "COMMIT_FILES", 1)
    other = NAME.replace("11000000120150807", "11000000120150808")
    files = [
        SentFile(NAME, csv_of(f"{MING},a@b.tw", f"{MEI},m@b.tw").encode(), RECEIVED),
        SentFile(other, csv_of(f"{MING},new@b.tw", f"{HUA},h@b.tw").encode(), RECEIVED),
        SentFile(NAME, csv_of(f"{MING},a@b.tw", f"{MEI},m@b.tw").encode(), RECEIVED),
        SentFile(other, csv_of(f"{HUA},last@b.tw").encode(), RECEIVED),
    ]
    with committing_behind(monkeypatch) as behind, open_store(tmp_path) as store:
        behind.stop = stop
        with monkeypatch.context() as patches:
            patches.setattr(store, "commit", lambda: behind.commit(store))
            loaded = list(load_registrations(store, files, load_registration_plan()))
            behind.wait()
        store.commit()
    assert behind.overlapping >= 2
    found = table(tmp_path, "registrations").select("registration_key", "R02").rows()
    assert sorted(found) == [
        (f"110000001{one}", mail)
        for one, mail in sorted({MING: "new@b.tw", MEI: "m@b.tw", HUA: "last@b.tw"}.items())
    ]
    assert loaded[2].answer.upload_id == loaded[0].upload_id  # type: ignore[union-attr]
    assert [p for one in verify(tmp_path) for p in one.found.problems] == []


def settler_of(store: Store) -> tuple[Checker, Settler]:
    return Checker(lambda _: load_plan()), Settler(store, load_plan(), MergePolicy())


def test_one_commit_at_a_time(tmp_path: Path) -> None:
    sent = history(1).sent
    with open_store(tmp_path, buckets=1) as store:
        checker, settler = settler_of(store)
        assert store.begin_commit() is None
        settler.settle(checker.check(intake_of(sent[:3])))
        finish = store.begin_commit()
        assert finish
        settler.settle(checker.check(intake_of(sent[3:6])))
        for refused in (store.begin_commit, store.commit, lambda: store.replace_uploads([])):
            with pytest.raises(RuntimeError, match="under way"):
                refused()
        assert len(store.upload_ids(range(1, 7))) == 6
        names = [(one.name, row) for one, row in zip(sent, range(6), strict=False)]
        digests = [upload.sha256.hex() for upload in intake_of(sent[:6]).uploads]
        known = [store.redeliveries.recent("official", (n, digests[i])) for n, i in names]
        assert all(known)
        assert store.redeliveries.recent("precheck", (names[0][0], digests[0])) is None
        ids = store.upload_ids(range(1, 7))
        assert finish() == 1
        assert store.upload_ids(range(1, 7)) == ids == [one.upload_id for one in known if one]
        assert store.redeliveries.recent("official", (names[0][0], digests[0])) is None
        key = (names[0][0], digests[0])
        assert store.redeliveries.find("official", [key], None)[key].upload_id == ids[0]
        assert store.commit() == 2
        assert store.upload_ids(range(1, 7)) == ids
    assert sorted(table(tmp_path, "batches").select("sequence_from", "sequence_to").rows()) == [
        (1, 3), (4, 6),
    ]  # fmt: skip


def test_after_a_commit_that_failed_nothing_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = history(2)
    sent = [made.sent[:20], made.sent[20:40], made.sent[40:]]
    settle_all(tmp_path, sent[:1])

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with open_store(tmp_path) as store:
        checker, settler = settler_of(store)
        settler.settle(checker.check(intake_of(sent[1])))
        finish, state = store.begin_commit(), store.track("official").state
        settler.settle(checker.check(intake_of(sent[2])))
        with monkeypatch.context() as patches:
            patches.setattr(Journal, "record", full)
            assert finish
            with pytest.raises(StoreWriteError, match="Free disk space"):
                finish()
        for refused in (
            store.begin_commit, store.commit, lambda: store.track("official"),
            lambda: state.put({}, {}, {}),
        ):  # fmt: skip
            with pytest.raises(StoreWriteError, match="opened anew"):
                refused()
    settle_all(tmp_path, sent[1:])
    of_store, of_replay = stored(tmp_path), expected(made.replay)
    for name in ("visits", "orders", "history", "prescriptions", "uploads"):
        assert of_store[name] == of_replay[name], name


def test_closing_waits_for_a_commit_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = history(3).sent[:8]
    with committing_behind(monkeypatch) as behind:
        with open_store(tmp_path, buckets=1) as store:
            checker, settler = settler_of(store)
            settler.settle(checker.check(intake_of(sent)))
            behind.stop = "before the files"
            behind.commit(store)
            behind.let_go(after=0.3)
        assert behind.wait() == 1
    assert len(table(tmp_path, "uploads")) == len(sent)
    with open_store(tmp_path) as store:
        checker, settler = settler_of(store)
        settler.settle(checker.check(intake_of(history(3).sent[8:9])))
        finish = store.begin_commit()
    assert finish
    with pytest.raises(RuntimeError, match="closed"):
        finish()
