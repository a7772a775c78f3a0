"""A process with everything imported that forks a child for each job: a run costs no start.

Run with the fault layer preloaded; reads a job a line, answers with a line. Nothing but the
children touches a store, so a child is what a fresh process would be.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from crash.faults import Deed, Fault, arm, seen
from crash.jobs import JOBS

MOST_SECONDS = 300  # a child that hangs is killed, and its test fails
UNEXPECTED = 99


def _child(library: Path, job: dict[str, Any], tell: int) -> None:
    """Do a job under its fault; never returns."""
    signal.alarm(MOST_SECONDS)
    code = UNEXPECTED
    said = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    faulthandler.enable()
    record_to = os.open(job["record"], os.O_WRONLY | os.O_CREAT, 0o600) if job["record"] else None
    try:
        at, deed, error = job["fault"]
        arm(library, job["watch"], Fault(at, Deed(deed), error), record_to)
        code = JOBS[job["name"]](**job["arguments"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(tell, str(seen(library)).encode())
        os._exit(code)


def main(library: Path) -> None:
    """Answer jobs until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    pipes: dict[int, int] = {}
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if "wait" in asked:
            pid = asked["wait"]
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            with os.fdopen(pipes.pop(pid), "rb") as told:
                answer = {"code": code, "seen": int(told.read() or -1)}
        else:
            hear, tell = os.pipe()
            pid = os.fork()
            if pid == 0:
                os.close(hear)
                _child(library, asked, tell)
            os.close(tell)
            pipes[pid] = hear
            answer = {"pid": pid}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
