"""A store on object storage: what a store asks of its files, who may write, and that one outcome
only comes of a batch, whoever hangs or fails where."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from random import Random

import polars as pl
import pytest
from deltalake.exceptions import DeltaError
from reference_tables import csv_of
from store_tables import put_visits

from pipeline.errors import StoreBusyError, StoreUnusableError, StoreWriteError
from pipeline.reference.kept import load_file, loaded, read_snapshot
from pipeline.store.compaction import compact
from pipeline.store.delta import DeltaTables, TableCommit
from pipeline.store.epochs import epoch
from pipeline.store.files import Files, LocalFiles
from pipeline.store.journal import Entry, Journal
from pipeline.store.layout import layout_of
from pipeline.store.lease import StoreLostError
from pipeline.store.opening import open_tables
from pipeline.store.s3 import S3Files
from pipeline.store.store import open_store
from pipeline.store.vacuum import vacuum
from tests.s3.faulty import faulty
from tests.s3.racing import Recorder, commit_versions, create_files
from tests.s3.server import bucket

_PROCESSES = 4
OLD, NEW = [("k1", 1), ("k2", 2)], [("k3", 3), ("k4", 4)]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("s3")
    with bucket(folder / "server.log") as name:
        yield name


@pytest.fixture
def store(taken: str, tmp_path: Path) -> str:
    """The URI of a store that is not there yet."""
    return f"s3://{taken}/some/{tmp_path.name}"


@pytest.fixture(params=["local", "s3"])
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    if request.param == "local":
        return LocalFiles(tmp_path / "files")
    return layout_of(request.getfixturevalue("store")).files


def visits(uri: str) -> list[tuple[str, int]]:
    """The versions that a reader finds."""
    rows = DeltaTables(layout_of(uri)).dataset("visits").to_table(["visit_key", "sequence"])
    return sorted(pl.DataFrame(rows).rows())


def stray(uri: str) -> set[str]:
    """Data files that no table has."""
    tables = DeltaTables(layout_of(uri))
    there = layout_of(uri).table_files("visits").all_names()
    known = {file.path for file in tables.files("visits")}
    written = {name for name in there if name.endswith(".parquet")}
    return {name for name in written if not name.startswith("_delta_log/")} - known


def entry_given_up(store: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A batch whose journal entry is sent, and not seen to arrive; gives what lets it arrive."""
    real, sent = S3Files.create, list[tuple[S3Files, str, bytes]]()

    def given_up(this: S3Files, name: str, data: bytes) -> None:
        if not this.prefix.endswith("journal"):
            return real(this, name, data)
        sent.append((this, name, data))
        raise TimeoutError("given up")

    patched, opened = monkeypatch.context(), open_tables(store, buckets=2)
    with pytest.raises(StoreWriteError), opened as committer, patched as patch:  # noqa: PT012
        patch.setattr(S3Files, "create", given_up)
        put_visits(committer, OLD)
    return lambda: real(*sent[0])


def test_files_are_alike_wherever_they_lie(files: Files) -> None:
    files.make()
    assert files.names() == [] == list(files.all_names())
    below = files.at("below")
    below.make()
    files.write("b", b"1")
    files.write("b", b"2")
    below.create("c", b"3")
    with pytest.raises(FileExistsError):
        below.create("c", b"4")
    with files.writing("x=1/d") as out:
        out.write(b"5678")
        assert out.tell() == 4
    files.sync_names(["x=1/d"])
    assert (files.read("b"), below.read("c"), files.size("x=1/d")) == (b"2", b"3", 4)
    with files.open("x=1/d") as file:
        file.seek(2)
        assert file.read(1) == b"7"
    assert files.names() == ["b"]
    assert sorted(files.all_names()) == ["b", "below/c", "x=1/d"]
    files.remove("b")
    files.remove("b")
    assert not files.has("b")
    assert files.has("below/c")
    for missing in (files.read, files.size):
        with pytest.raises(FileNotFoundError):
            missing("b")
    with pytest.raises(FileNotFoundError), files.open("b") as file:
        file.read()


def test_one_of_many_creates(store: str) -> None:
    files = layout_of(store).files

    def create(number: int) -> bool:
        try:
            files.create("one", str(number).encode())
        except FileExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(create, range(24)))
    assert won.count(True) == 1
    assert files.read("one") == str(won.index(True)).encode()


def test_what_was_made_and_not_answered_is_known_as_ones_own(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint, files = os.environ["AWS_ENDPOINT_URL"], layout_of(store).files
    with faulty(endpoint, 5, 0.3, {"cut off after": 1, "500 after": 1}) as way:
        monkeypatch.setenv("AWS_ENDPOINT_URL", way.endpoint)
        for number in range(20):
            files.create(str(number), b"")
        for number in range(20):
            with pytest.raises(FileExistsError):
                files.create(str(number), b"")
    assert way.happened["cut off after PUT"] > 0 < way.happened["500 after PUT"]


def test_one_of_two_handles_commits(store: str) -> None:
    """delta-rs creates a version on this storage, and never writes over one."""
    with open_tables(store, buckets=2):
        pass
    for batch in range(1, 9):
        both = [DeltaTables(layout_of(store)) for _ in range(2)]
        for one in both:
            assert one.committed("visits") == batch - 1

        def commit(one: DeltaTables, batch: int = batch) -> bool:
            try:
                one.commit(TableCommit("visits", ()), batch, 0)
            except DeltaError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            assert sorted(pool.map(commit, both)) == [False, True]


def raced(what: Callable[[str, int, float], list[int]], uri: str, count: int) -> list[list[int]]:
    """What each of some processes won of so many."""
    with ProcessPoolExecutor(_PROCESSES, get_context("spawn")) as pool:
        list(pool.map(time.sleep, [0.1] * _PROCESSES))  # all are there
        at = time.time() + 1
        return list(pool.map(what, *zip(*[(uri, count, at)] * _PROCESSES, strict=True)))


def test_of_many_processes_one_creates_and_one_commits(
    store: str, pytestconfig: pytest.Config
) -> None:
    count = 500 if pytestconfig.getoption("--long") else 25
    with open_tables(store, buckets=2):
        pass
    for what, first in ((create_files, 0), (commit_versions, 1)):
        won = raced(what, store, count)
        print(what.__name__, [len(each) for each in won])
        assert sorted(chain(*won)) == list(range(first, first + count))
    assert DeltaTables(layout_of(store)).version("visits") == count


def test_a_recorder_that_was_stopped_writes_nothing_once_it_wakes(
    store: str, pytestconfig: pytest.Config
) -> None:
    random, rounds = Random(7), 100 if pytestconfig.getoption("--long") else 3
    with open_tables(store, buckets=2):
        pass
    for number in range(1, rounds + 1):
        with Recorder(store) as recorder:
            told = [recorder.next_batch() for _ in range(random.randrange(1, 4))]
            time.sleep(random.uniform(0, 0.3))
            recorder.tell(signal.SIGSTOP)
            with open_tables(store, recording=True, wait_seconds=0) as committer:
                stood = visits(store)
                own = f"k{1_000_000 + number}", committer.batch + 1
                put_visits(committer, [own])
                recorder.tell(signal.SIGCONT)
                told += recorder.rest()
        assert {(f"k{batch}", batch) for batch in told} <= set(stood)
        assert visits(store) == sorted([*stood, own])


def test_commits_are_read_and_kept_in_shape(store: str) -> None:
    with open_tables(store, buckets=1) as committer:
        for at in range(4):
            put_visits(committer, [(f"k{4 * at}", at + 1)])
    with open_tables(store) as committer:
        assert committer.batch == 4
        compact(committer)
        committer.tables.checkpoint("visits")
        assert sum(len(one.paths) for one in vacuum(committer, 0)) > 0
    assert visits(store) == sorted((f"k{4 * at}", at + 1) for at in range(4))
    assert not stray(store)


def test_who_comes_second_waits_and_a_recorder_takes(store: str) -> None:
    files = layout_of(store).files
    said = list[str]()
    with epoch(files, 0) as first:
        with pytest.raises(StoreBusyError), epoch(files, 0.3, said.append):
            pass
        assert len(said) == 1
        first.check()
        with epoch(files, 0.3, recording=True) as second:
            assert second.taken
            second.check()
            with pytest.raises(StoreLostError):
                first.check()
    with epoch(files, 0) as third:  # both have let go
        assert not third.taken
    with pytest.raises(ZeroDivisionError), epoch(files, 0):
        raise ZeroDivisionError
    with epoch(files, 0, recording=True) as last:  # who failed did not let go
        assert last.taken


def test_storage_that_overwrites_is_refused(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(S3Files, "create", S3Files.write)
    with pytest.raises(StoreUnusableError, match="If-None-Match"), open_tables(store, buckets=2):
        pass
    assert layout_of(store).files.names() == []


def test_one_of_many_recorders_holds(store: str) -> None:
    files = layout_of(store).files

    def hold(_: int) -> int:
        with epoch(files, 30, recording=True) as held:
            held.check()
            return held.number

    with ThreadPoolExecutor(6) as pool:
        numbers = list(pool.map(hold, range(6)))
    assert sorted(numbers) == list(range(1, 7))


@pytest.mark.parametrize("call", ["begin", "record", "abandon", "forget"])
def test_who_lost_the_store_writes_nothing_more(
    store: str, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store is taken while the old recorder is before or behind its journal entry."""
    with open_tables(store, buckets=2):
        pass
    real = getattr(Journal, call)
    left = [1]

    def taken_over(this: Journal, *arguments: object) -> object:
        if left and left.pop():
            with open_tables(store, recording=True, wait_seconds=0) as other:
                put_visits(other, NEW)
        return real(this, *arguments)

    before_it_stands = call in ("begin", "record")
    with open_tables(store, recording=True) as committer:
        monkeypatch.setattr(Journal, call, taken_over)
        if call == "forget":  # by then it has done its work
            put_visits(committer, OLD)
        with pytest.raises(StoreWriteError):
            put_visits(committer, OLD)
    with open_tables(store, recording=True, wait_seconds=0) as committer:
        assert not committer.layout.files.at("journal").names()
    assert visits(store) == (NEW if before_it_stands else [*OLD, *NEW])


def test_an_entry_that_arrives_late_is_known(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request was given up: later it turns out that it had come to the storage after all."""
    late = entry_given_up(store, monkeypatch)
    assert visits(store) == []
    late()
    with open_tables(store, recording=True, wait_seconds=0) as committer:
        put_visits(committer, NEW)
    assert visits(store) == [*OLD, *NEW]


def test_an_entry_that_arrives_after_the_next_has_no_effect(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = entry_given_up(store, monkeypatch)
    with open_tables(store, recording=True, wait_seconds=0) as committer:
        late()
        put_visits(committer, NEW)
        assert not stray(store)
    with open_tables(store) as committer:
        assert Journal(committer.layout.files.at("journal")).entries() == list[Entry]()
    assert visits(store) == NEW


def test_reference_tables(store: str, tmp_path: Path) -> None:
    layout, file = layout_of(store), tmp_path / "drugs.csv"
    assert loaded(layout) == []
    file.write_bytes(csv_of("drugs", [{"code": "A1"}]))
    done = load_file(layout, "drugs", file)
    assert loaded(layout) == [done]
    assert read_snapshot(layout).tables.keys() == {"drugs"}


def test_without_a_stream_it_takes_nothing(store: str) -> None:
    with pytest.raises(StoreUnusableError, match="from a stream only"), open_store(store):
        pass
    with pytest.raises(StoreUnusableError, match="local folder"):
        _ = layout_of(store).raw
