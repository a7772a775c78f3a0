"""The memory of the workers of a stream while far more waits than they may take at once.

    python -m bench.stream_memory --uploads 10000 --window 1000

Half of the uploads, then all of them, of ten records each, are published with the workers stopped;
then the workers start. The most that each process ever had resident is told, and how much of that
was its own: the rest are pages of files, which the kernel takes back. Were what waits held
anywhere, the second line would be above the first by what the uploads are.

``--apart`` gives each job a process of its own.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from pathlib import Path

from bench.kafka import broker
from bench.stream_rig import Rig, payload_of, status_of
from bench.ten_records import tens
from pipeline.generate import DEFAULT_AS_OF
from pipeline.ingest.unpack import Payload

JOBS = ("validate", "merge")  # with the dispatcher and the recorder
APART = ("dispatch", "validate", "merge", "record")
_SEED = 11
_PATIENCE = 3_600.0
_LOOK_SECONDS = 0.1


class Own(threading.Thread):
    """The most memory (bytes) that processes had that is not of files, by process id."""

    def __init__(self, pids: list[int]) -> None:
        super().__init__(daemon=True)
        self.most = dict.fromkeys(pids, 0)
        self._going = True
        self.start()

    def run(self) -> None:
        """Look until ``close``."""
        while self._going:
            for pid, most in self.most.items():
                self.most[pid] = max(most, status_of(pid, "RssAnon"))
            time.sleep(_LOOK_SECONDS)

    def close(self) -> None:
        """No more."""
        self._going = False
        self.join()


def measure(rig: Rig, uploads: list[Payload], *, apart: bool) -> None:
    """The most memory of each process until all uploads that waited are committed."""
    rig.publish(uploads)
    began = time.monotonic()
    with rig.working(*(APART if apart else JOBS), alone=apart) as workers:
        own = Own([one.popen.pid for one in workers])
        rig.wait_until_committed(_PATIENCE)
        own.close()
        found = {one.job: (one.peak, own.most[one.popen.pid]) for one in workers}
    told = "  ".join(
        f"{job} {peak / 1e6:,.0f} MB ({mine / 1e6:,.0f} its own)"
        for job, (peak, mine) in found.items()
    )
    size = sum(len(one.data) for one in uploads) / 1e6
    seconds = time.monotonic() - began
    print(f"{len(uploads):>7,} uploads ({size:,.0f} MB), {seconds:,.0f} s:  {told}", flush=True)


def main() -> None:
    """Measure half and all."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--uploads", type=int, default=10_000)
    options.add_argument("--window", type=int, default=1_000)
    options.add_argument("--apart", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        made = tens(asked.uploads, _SEED, DEFAULT_AS_OF, Path(scratch, "made"))[: asked.uploads]
        uploads = [payload_of(f"{at}.xml", one.payload) for at, one in enumerate(made)]
        server = broker(Path(scratch, "kafka"))
        try:
            for count in (asked.uploads // 2, asked.uploads):
                folder = Path(scratch, str(count))
                folder.mkdir()
                (folder / "sample.xml").write_bytes(uploads[0].data)
                rig = Rig(
                    server, folder, f"memory-{count}-", folder / "sample.xml", window=asked.window
                )
                measure(rig, uploads[:count], apart=asked.apart)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
