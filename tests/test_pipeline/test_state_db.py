"""The state on disk against the one in dictionaries, and what becomes of it when things fail."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import StoreWriteError
from pipeline.merge.state import MemoryState
from pipeline.store import state_db
from pipeline.store.state_db import DATA, Marker, StateDamagedError, StateDb

ROOT = Path(__file__).parents[2]

KEYS = st.sampled_from([bytes([a, b]) * 4 for a in range(4) for b in range(3)])
VALUES = st.binary(max_size=200)
PUT = st.tuples(
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.dictionaries(KEYS, VALUES, max_size=5),
    st.dictionaries(KEYS, st.integers(-3, 3), max_size=5),
)
STEPS = st.lists(PUT | st.sampled_from(["freeze", "save", "abandon", "reopen"]), max_size=25)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state" / "official"


@pytest.fixture
def state(folder: Path) -> Iterator[StateDb]:
    opened = StateDb(folder)
    yield opened
    opened.close()


@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_is_the_same_as_dictionaries(
    steps: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("state")
    state, twin, saved = StateDb(folder), MemoryState(), MemoryState()
    frozen: MemoryState | None = None
    for number, step in enumerate(steps, 1):
        if step == "freeze" and frozen:
            with pytest.raises(RuntimeError, match="not saved yet"):
                state.freeze()
        elif step == "freeze":
            state.freeze()
            frozen = _copy(twin)
        elif step == "save":
            state.save(number, number * 10)
            assert state.marker == Marker(number, number * 10)
            saved, frozen = frozen or _copy(twin), None
        elif step == "reopen":
            state.close()
            state, twin, frozen = StateDb(folder), _copy(saved), None
        elif step == "abandon":
            state.abandon()
            twin = _copy(frozen or saved)
        else:
            moments, ledger, differences = step
            least = dict(zip(differences, twin.live(list(differences)), strict=True))
            live = {key: max(d, -least[key]) for key, d in differences.items()}
            state.put(moments, ledger, live)
            twin.put(moments, ledger, live)
        keys = [bytes([a, b]) * 4 for b in range(3) for a in range(4)] * 2
        assert state.moments(keys) == twin.moments(keys)
        assert state.ledger(keys) == twin.ledger(keys)
        assert state.live(keys) == twin.live(keys)
        assert list(state.contents()) == list(twin.contents())
    state.close()


def _copy(state: MemoryState) -> MemoryState:
    copy = MemoryState()
    copy.put(
        {key: value for name, key, value in state.contents() if name == "moments"},
        {key: value for name, key, value in state.contents() if name == "ledger"},
        {
            key: int.from_bytes(value, "little", signed=True)
            for name, key, value in state.contents()
            if name == "live"
        },
    )
    return copy


def test_looked_up_while_another_thread_saves(state: StateDb) -> None:
    """Every look-up finds what was put last, whether it is waiting, on its way, or in the file."""
    keys = [n.to_bytes(9, "big") for n in range(300)]
    with ThreadPoolExecutor(1) as pool:
        saving, held = pool.submit(lambda: None), dict[bytes, bytes]()
        for turn in range(1, 400):
            some = dict.fromkeys(keys[turn % 10 :: 10], b"%d" % turn if turn % 7 else b"")
            state.put(some, some, {keys[turn % 10]: 1})
            held |= some
            if saving.done():
                saving.result()
                state.freeze()
                saving = pool.submit(state.save, turn, turn)
            assert state.moments(keys) == [held.get(key, b"") for key in keys]
            assert state.ledger(keys) == [held.get(key, b"") for key in keys]
            assert sum(state.live(keys)) == turn
        saving.result()
    assert 5 < state.marker.batch < 400
    state.save(400, 400)
    assert [value for name, _, value in state.contents() if name == "ledger"] == [
        held[key] for key in keys if held.get(key)
    ]


def test_moments_between_two_keys(state: StateDb) -> None:
    state.put({bytes([n]) * 9: bytes([n]) for n in range(9)}, {}, {})
    state.save(1, 1)
    assert list(state.moments_between(b"\x02", b"\x05")) == [b"\x02", b"\x03", b"\x04"]
    assert list(state.moments_between(b"\x09", b"\xff")) == []


def test_append_builds_what_put_does(state: StateDb, tmp_path: Path) -> None:
    pairs = [(n.to_bytes(4, "big"), b"x" * (n % 7 + 1)) for n in range(5_000)]
    state.append("moments", pairs[:2_000])
    state.append("moments", pairs[2_000:])
    other = StateDb(tmp_path / "other")
    other.put(dict(reversed(pairs)), {}, {})
    assert list(state.contents()) == list(other.contents())
    other.close()


def test_what_was_put_dies_with_the_process_and_what_was_saved_does_not(folder: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from pipeline.store.state_db import StateDb\n"
        "state = StateDb(Path(sys.argv[1]))\n"
        "state.put({b'saved': b'1'}, {}, {b'count': 3}); state.save(4, 17)\n"
        "state.put({b'lost': b'2', b'saved': b''}, {}, {b'count': 1})\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    died = subprocess.run([sys.executable, "-c", code, str(folder)], cwd=ROOT)
    assert died.returncode == -signal.SIGKILL
    state = StateDb(folder)
    assert state.marker == Marker(4, 17)
    assert state.moments([b"saved", b"lost"]) == [b"1", b""]
    assert state.live([b"count"]) == [3]
    state.close()


def test_a_full_map_is_told_and_leaves_what_was_saved(folder: Path) -> None:
    state = StateDb(folder, map_bytes=1 << 20)
    state.put({b"kept": b"1"}, {}, {})
    state.save(1, 1)
    state.put({n.to_bytes(9, "big"): b"x" * 80 for n in range(50_000)}, {}, {})
    with pytest.raises(StoreWriteError, match="address space"):
        state.save(2, 2)
    with pytest.raises(StoreWriteError, match="opened anew"):
        state.put({}, {}, {})
    state.close()
    state = StateDb(folder, map_bytes=1 << 20)
    assert list(state.contents()) == [("moments", b"kept", b"1")]
    state.close()


def test_a_full_disk_is_told_and_leaves_what_was_saved(folder: Path) -> None:
    state = StateDb(folder)
    state.put({b"kept": b"1"}, {}, {})
    state.save(1, 1)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:  # a limit on files fails as a full disk does, at the same calls
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 18, before[1]))
        state.put({n.to_bytes(9, "big"): b"x" * 80 for n in range(20_000)}, {}, {})
        with pytest.raises(StoreWriteError, match="Free disk space"):
            state.save(2, 2)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    state.close()
    state = StateDb(folder)
    assert state.marker == Marker(1, 1)
    assert list(state.contents()) == [("moments", b"kept", b"1")]
    state.close()


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(StoreWriteError, match="can't be written"):
        StateDb(tmp_path / "taken" / "official")


@pytest.mark.parametrize("damage", ["cut", "noise", "layout"])
def test_damage_is_told_with_what_to_do(
    damage: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = StateDb(folder)
    state.put({n.to_bytes(9, "big"): b"x" * 80 for n in range(5_000)}, {}, {})
    state.save(1, 1)
    state.close()
    data = folder / DATA
    if damage == "cut":
        data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    elif damage == "noise":
        data.write_bytes(np.random.default_rng(1).bytes(data.stat().st_size))
    else:
        monkeypatch.setattr(state_db, "VISIT", np.dtype([("other", "u1")]))
    with pytest.raises(StateDamagedError, match="rebuild-state"):
        StateDb(folder)


def test_size_tells_entries_and_bytes(state: StateDb) -> None:
    state.put({b"a": b"1", b"b": b"2"}, {b"c": b"3"}, {b"d": 4})
    state.save(1, 1)
    size = state.size()
    assert (size["moments"], size["ledger"], size["live"]) == (2, 1, 1)
    assert 0 < size["bytes"] <= 1 << 20
