"""One worker of a stream in a process of its own, warm before it says so.

``python -m bench.stream_worker JSON``: ``job`` (``dispatch``, ``validate``, ``merge``, ``record``),
``alone`` (without the other job of its process), ``bootstrap``, ``store``, ``prefix``,
``commit_seconds``, ``window``, ``sample`` (a file to warm with). Prints ``ready``; ends at SIGTERM.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from pipeline.generate import DEFAULT_AS_OF
from pipeline.run import RunOptions, run
from pipeline.stream.broker import Cluster
from pipeline.stream.process import Options, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.stream.worker import Stop
from pipeline.traces import traced
from rules import load_plan

RUNS = {
    "dispatch": run_validate, "validate": run_validate, "merge": run_merge, "record": run_merge,
}  # fmt: skip


def main(asked: dict[str, Any]) -> None:
    """Be a worker until told to stop."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    stop = Stop()
    signal.signal(signal.SIGTERM, lambda *_: stop.stop())
    with tempfile.TemporaryDirectory() as scratch:  # what it will need is loaded before it is timed
        options = RunOptions(received_at=DEFAULT_AS_OF)
        run([Path(asked["sample"])], Path(scratch, "store"), load_plan(), options)
    here = Options(
        Cluster(asked["bootstrap"]), asked["store"], prefix=asked["prefix"],
        window=asked["window"], pace=Pace(asked["commit_seconds"]),
        only=asked["job"] if asked["alone"] else None,
    )  # fmt: skip
    print("ready", flush=True)
    with traced(asked["job"]):
        RUNS[asked["job"]](here, stop)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
