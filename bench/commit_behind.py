"""How long an upload waits for its verdict while a large commit is made. ``python -m
bench.commit_behind [--records N]``.

Settles so many records, then single small uploads: with nothing else going on, while the records
are committed by another thread, and by the settling thread itself, as before there was another.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from statistics import median, quantiles

from pipeline.batches import Checker, Intake
from pipeline.generate import DEFAULT_AS_OF, generate
from pipeline.ingest.unpack import Payload
from pipeline.merge.merge import MergePolicy
from pipeline.outcome import Envelope
from pipeline.settle import Settler
from pipeline.store.store import Store, open_store
from pipeline.upload_ids import new_upload_id
from rules import load_plan

AT_ONCE = 200  # uploads settled together while the records are taken in
QUIET = 60  # small uploads
TURN_SECONDS = 0.001  # of Python's threads, as in the service
A_SMALL_ONE, SMALL_ONES = 5, 4_000  # records; how many there are to take from


@dataclass(frozen=True)
class Settling:
    """An open store, and what settles uploads into it."""

    store: Store
    checker: Checker
    settler: Settler

    def settle(self, files: Sequence[Path]) -> tuple[float, int]:
        """Check and merge some files; gives the seconds that took, and how many records it was."""
        data = [file.read_bytes() for file in files]
        uploads = [
            Payload(file.name, payload, sha256(payload).digest())
            for file, payload in zip(files, data, strict=True)
        ]
        envelopes = [Envelope(DEFAULT_AS_OF, name=file.name) for file in files]
        ids = [new_upload_id(DEFAULT_AS_OF) for _ in files]
        start = time.perf_counter()
        settled = self.settler.settle(self.checker.check(Intake(uploads, envelopes, ids)))
        seconds = time.perf_counter() - start
        return seconds, sum(part.processed.batch.visits.rows for part in settled.parts)

    def load(self, files: Sequence[Path]) -> int:
        """Settle many files; gives how many records they had."""
        starts = range(0, len(files), AT_ONCE)
        return sum(self.settle(files[start : start + AT_ONCE])[1] for start in starts)

    def behind(self, files: Iterator[Path]) -> tuple[float, list[float]]:
        """Seconds of a commit in another thread, and of every small upload settled meanwhile."""
        finish = self.store.begin_commit()
        assert finish
        taken, start = list[float](), time.perf_counter()
        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(finish)
            while not done.done():
                taken.append(self.settle([next(files)])[0])
            done.result()
        return time.perf_counter() - start, taken


def told(what: str, seconds: Sequence[float]) -> None:
    """One line: how many, the median, the 99th percentile, the longest."""
    most = quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else seconds[0]
    figures = " | ".join(f"{1000 * t:,.0f}" for t in (median(seconds), most, max(seconds)))
    print(f"| {what} | {len(seconds):,} | {figures} |", flush=True)


def main(records: int) -> None:
    """Print the table for ``bench/README.md``."""
    sys.setswitchinterval(TURN_SECONDS)
    plan = load_plan()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        generate(2 * records, records // 25, 31, 0.02, folder / "large")
        generate(SMALL_ONES * A_SMALL_ONE, SMALL_ONES, 32, 0.02, folder / "small")
        large = sorted((folder / "large").glob("*.xml"))
        small = iter(sorted((folder / "small").glob("*.xml")))
        with open_store(folder / "store") as store:
            settling = Settling(store, Checker(lambda _: plan), Settler(store, plan, MergePolicy()))
            before = settling.load(large[::2])
            start = time.perf_counter()
            store.commit()
            itself = time.perf_counter() - start
            behind = settling.load(large[1::2])
            print("| small uploads settled | | ms, median | 99th | longest |")
            print("|---|--:|--:|--:|--:|")
            told("nothing else going on", [settling.settle([next(small)])[0] for _ in range(QUIET)])
            seconds, taken = settling.behind(small)
            told(f"while another thread commits {behind:,} records", taken)
            told(f"waiting for a commit of {before:,} in the settling thread", [itself])
            print(f"\nThe commit takes {itself:.2f} s alone, {seconds:.2f} s behind settling.")


if __name__ == "__main__":
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--records", type=int, default=50_000)
    main(given.parse_args().records)
