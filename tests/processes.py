"""Commands in processes of their own, and what they tell on standard error."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

ROOT = Path(__file__).parents[1]
PATIENCE = 600.0


@dataclass
class Process:
    """One that runs, or ran; ``told`` grows by what it tells."""

    running: subprocess.Popen[str]
    told: list[str]
    reading: Thread

    def wait_for(self, pattern: str) -> re.Match[str]:
        """The first that it tells of that form."""
        until = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, "".join(self.told))):
            assert self.running.poll() is None, "".join(self.told)
            assert time.monotonic() < until, "".join(self.told)
            time.sleep(0.02)
        return found

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Tell it to end and wait; gives the exit code, and ``told`` is whole then."""
        self.running.send_signal(number)
        code = self.running.wait(PATIENCE)
        self.reading.join()
        return code


@contextmanager
def command(*arguments: str, environment: Mapping[str, str]) -> Iterator[Process]:
    """``python`` with arguments and more of an environment, killed where it hasn't ended."""
    running = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | dict(environment), text=True,
        stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    assert running.stderr
    told = list[str]()
    reading = Thread(target=told.extend, args=(running.stderr,))
    reading.start()
    try:
        yield Process(running, told, reading)
    finally:
        running.kill()
        running.wait(PATIENCE)
        reading.join()
        running.stderr.close()
