"""Where the state could live on disk: build, look up warm and cold, put and commit, side by side.

    python -m bench.state [--items 20000000] [--only NAME ...]

Live visits of twenty days, evenly; a ledger entry to every fifth. Then the batches of the next day,
20,000 records each: 96 % new visits of that day, 3 % corrections of any of the days before, 1 %
keys that are nowhere; and as many look-ups in the ledger, a quarter of them found. Every contender
gets fresh processes: one that builds, one that does the day's batches. The first batch finds the
files in no cache (posix_fadvise DONTNEED on each, after a sync; what mincore then still finds is
told), the others after all files were read once.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from bench.resident import drop_from_cache, resident_bytes, warm
from bench.state_contenders import CONTENDERS, Contender, Item

DAYS = 20
BATCH = 20_000
BATCHES = 10
PERSONS = 20_000_000
CHUNK = 250_000
VISIT_BYTES, SLOT_BYTES = 80, 38
SECONDS_A_DAY = 86_400
FIRST_SECOND = 1_760_000_000


def moments_of(day: int, count: int, seed: int = 7) -> np.ndarray:
    """Keys of a day's visits, sorted, (count, 9) bytes: second, then person."""
    rng = np.random.default_rng((seed, day))
    keys = np.zeros((count, 9), np.uint8)
    second = FIRST_SECOND + day * SECONDS_A_DAY + rng.integers(8 * 3600, 21 * 3600, count)
    keys[:, :4] = second.astype(">u4").view(np.uint8).reshape(-1, 4)
    person = rng.integers(0, PERSONS, count) * 0x9E3779B9 & 0xFFFFFFFFFF
    keys[:, 4:] = person.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 3:]
    return np.unique(keys.view("S9").ravel()).view(np.uint8).reshape(-1, 9)


def values_of(keys: np.ndarray, width: int) -> np.ndarray:
    """A value to each key, half of it the key and what follows from it, as in real ones."""
    rng = np.random.default_rng(len(keys))
    values = np.zeros((len(keys), width), np.uint8)
    values[:, :9] = keys[:, :9]
    values[:, 9:19] = rng.integers(0, 256, (len(keys), 10))
    values[:, 20:28] = (
        rng.integers(0, 30_000, len(keys)).astype("<u8").view(np.uint8).reshape(-1, 8)
    )
    return values


def items(keys: np.ndarray, values: np.ndarray) -> list[Item]:
    """Rows of bytes as pairs."""
    wide, tall = keys.shape[1], values.shape[1]
    ks, vs = keys.tobytes(), values.tobytes()
    return [
        (ks[i * wide : (i + 1) * wide], vs[i * tall : (i + 1) * tall]) for i in range(len(keys))
    ]


def ledger_keys(moments: np.ndarray) -> np.ndarray:
    """A prescription to every fifth visit, (n, 16) bytes."""
    keys = np.zeros((len(moments[::5]), 16), np.uint8)
    keys[:, :9] = moments[::5]
    return keys


def chunks(name: str, count: int) -> Iterator[Sequence[Item]]:
    """The items that a map begins with, in order."""
    for day in range(DAYS):
        keys = moments_of(day, count // DAYS)
        if name == "ledger":
            keys = ledger_keys(keys)
        width = VISIT_BYTES if name == "moments" else 2 * SLOT_BYTES
        for start in range(0, len(keys), CHUNK):
            part = keys[start : start + CHUNK]
            yield items(part, values_of(part, width))


def batches(count: int) -> Iterator[dict[str, list[Item]]]:
    """What the next day's batches look up, and then put."""
    rng = np.random.default_rng(11)
    before = [moments_of(day, count // DAYS) for day in range(0, DAYS, 3)]
    today = moments_of(DAYS, BATCH * BATCHES * 2)
    rng.shuffle(today)
    old, known = np.concatenate(before), np.concatenate([ledger_keys(day) for day in before])
    for number in range(BATCHES):
        new = today[number * BATCH :][: BATCH * 96 // 100]
        corrected = old[rng.choice(len(old), BATCH * 3 // 100, replace=False)]
        nowhere = old[rng.choice(len(old), BATCH // 100, replace=False)].copy()
        nowhere[:, 4] ^= 0xFF
        keys = np.concatenate([new, corrected, nowhere])
        prescriptions = np.zeros((BATCH, 16), np.uint8)
        prescriptions[:, :9] = keys
        prescriptions[: BATCH // 4] = known[rng.choice(len(known), BATCH // 4, replace=False)]
        yield {
            "moments": items(keys, values_of(keys, VISIT_BYTES)),
            "ledger": items(prescriptions, values_of(prescriptions, 2 * SLOT_BYTES)),
        }


def build(contender: Contender, count: int) -> dict[str, Any]:
    """Fill both maps; seconds without the making of the items."""
    taken = 0.0
    for name in ("moments", "ledger"):
        source = _Clocked(chunks(name, count))
        start = time.perf_counter()
        contender.fill(name, source)
        taken += time.perf_counter() - start - source.seconds
    start = time.perf_counter()
    contender.close()
    return {"build": taken + time.perf_counter() - start, **memory()}


def use(contender: Contender, count: int, folder: Path) -> dict[str, Any]:
    """A day's batches: the first meets a cold cache, the others a warm one."""
    finds, puts, found = [], [], 0
    for batch in batches(count):
        if len(finds) == 1:
            warm(folder)
        start = time.perf_counter()
        for name, pairs in batch.items():
            found += contender.find(name, [key for key, _ in pairs])
        finds.append(time.perf_counter() - start)
        start = time.perf_counter()
        contender.put({name: pairs[: BATCH // (1 if name == "moments" else 4)]
                       for name, pairs in batch.items()})  # fmt: skip
        puts.append(time.perf_counter() - start)
    taken = memory()
    contender.close()
    return {
        "cold": finds[0], "warm": median(finds[1:]), "put": median(puts), "worst": max(puts),
        "found": found, **taken,
    }  # fmt: skip


class _Clocked:
    """An iterator that knows how long its source took."""

    def __init__(self, source: Iterator[Sequence[Item]]) -> None:
        self._source, self.seconds = source, 0.0

    def __iter__(self) -> Iterator[Sequence[Item]]:
        return self

    def __next__(self) -> Sequence[Item]:
        start = time.perf_counter()
        try:
            return next(self._source)
        finally:
            self.seconds += time.perf_counter() - start


def memory() -> dict[str, int]:
    """Peak resident MiB, and how much of the present is the process's own (not mapped files)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    own = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("RssAnon"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"peak_mib": peak >> 10, "own_mib": own >> 10}


def measure(name: str, count: int) -> dict[str, Any]:
    """Build and use in processes of their own."""
    with tempfile.TemporaryDirectory(prefix="state-") as folder:
        built = _stage("build", name, count, folder)
        size = sum(p.stat().st_blocks * 512 for p in Path(folder).rglob("*") if p.is_file())
        drop_from_cache(Path(folder))
        left = resident_bytes(Path(folder))
        used = _stage("use", name, count, folder)
    return {"name": name, "bytes": size, "left": left, "built": built, "used": used}


def _stage(stage: str, name: str, count: int, folder: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.state", "--items", str(count), "--only", name,
               "--stage", stage, "--folder", folder]  # fmt: skip
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


HEAD = (
    "| | build s | GB | look-ups warm ms | cold ms | put + commit ms (worst) | own MiB (peak with "
    "mapped files) |\n|---|--:|--:|--:|--:|--:|--:|"
)


def row(found: dict[str, Any]) -> str:
    """A row of the table."""
    built, used = found["built"], found["used"]
    return (
        f"| {found['name']} | {built['build']:.0f} | {found['bytes'] / 1e9:.2f} | "
        f"{used['warm'] * 1e3:.0f} | {used['cold'] * 1e3:.0f} | {used['put'] * 1e3:.0f} "
        f"({used['worst'] * 1e3:.0f}) | {used['own_mib']} ({used['peak_mib']}) |"
    )


def main() -> None:
    """Measure and print a table, or do one stage of one contender."""
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--items", type=int, default=20_000_000)
    given.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    given.add_argument("--stage", choices=("build", "use"), help=argparse.SUPPRESS)
    given.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.stage:
        contender = CONTENDERS[asked.only[0]](asked.folder)
        done = (
            build(contender, asked.items)
            if asked.stage == "build"
            else use(contender, asked.items, asked.folder)
        )
        print(json.dumps(done))
        return
    print(HEAD)
    for name in asked.only:
        found = measure(name, asked.items)
        print(row(found), flush=True)
        print(f"found {found['used']['found']}, in the cache before: {found['left']}",
              file=sys.stderr)  # fmt: skip


if __name__ == "__main__":
    main()
