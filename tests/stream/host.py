"""A process with everything imported that forks a worker for each line: a start costs nothing.

Answers each with the worker's process id. A worker ends with 70 after a fault of ours. Where the
layer of ``crash.faults`` is preloaded, a worker's disk may fail until it gets SIGUSR2.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import signal
import sys
import time
import traceback
from datetime import time as time_of_day
from pathlib import Path
from typing import Any

from crash.faults import Fault, arm

from pipeline.store.failures import OF_MACHINE
from pipeline.stream.broker import BrokerError, Cluster
from pipeline.stream.process import Options, run_merge, run_validate
from pipeline.stream.recorder import Pace
from pipeline.stream.worker import Stop
from rules import load_plan

FAULT = 70
_PAUSE_SECONDS = 0.5
JOBS = {"validate": run_validate, "merge": run_merge}


def _work(asked: dict[str, Any]) -> int:
    """Be a worker until told to stop."""
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable()
    faulthandler.register(signal.SIGUSR1)
    if asked["fault"]:
        _spoil(asked["store"], Fault(*asked["fault"]))
    form = f"%(asctime)s {asked['kind']} {os.getpid()} %(levelname)s %(name)s %(message)s"
    logging.basicConfig(level=logging.INFO, format=form, stream=sys.stderr)
    options = Options(
        Cluster(asked["bootstrap"], {}, asked["session_ms"]), asked["store"], asked["member"],
        asked["prefix"], window=asked["window"], pace=_pace(asked),
        states=Path(asked["states"]),
    )  # fmt: skip
    while True:
        stop = Stop()
        signal.signal(signal.SIGTERM, lambda *_, stop=stop: stop.stop())
        try:
            JOBS[asked["kind"]](options, stop)
        except (*OF_MACHINE, BrokerError) as fault:  # who watches it starts it again
            logging.error("%s; started again", type(fault).__name__)
            time.sleep(_PAUSE_SECONDS)
        except BaseException:
            traceback.print_exc()
            return FAULT
        else:
            return 0


def _spoil(store: str, fault: Fault) -> None:
    """Let changes below a store fail, until told that they may be made."""
    layer = Path(os.environ["LD_PRELOAD"])
    arm(layer, [store], fault, None)
    signal.signal(signal.SIGUSR2, lambda *_: arm(layer, [], Fault(), None))


def _pace(asked: dict[str, Any]) -> Pace:
    """``upkeep`` is a time of day, or empty."""
    at = asked["upkeep"] and time_of_day.fromisoformat(asked["upkeep"])
    return Pace(asked["commit_seconds"], upkeep=at or None)


def main() -> None:
    """Answer until standard input ends."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the dead
    answers = os.fdopen(os.dup(1), "w")
    for version in (None, "1.0"):
        load_plan(version=version) if version else load_plan()
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(_work(json.loads(line)))
        print(pid, file=answers, flush=True)


if __name__ == "__main__":
    main()
