"""As the first process of a container, which the kernel spares every signal it doesn't handle."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

UNSHARED = ("unshare", "--user", "--map-root-user", "--pid", "--fork")


def test_a_command_ends_when_it_is_told() -> None:
    if not shutil.which("unshare") or subprocess.run([*UNSHARED, "true"]).returncode:
        pytest.skip("no process namespaces may be made here")
    command = [Path(sys.executable).with_name("nhi-upload"), "check", "-"]
    with subprocess.Popen([*UNSHARED, *command], stdin=subprocess.PIPE) as started:
        children = Path(f"/proc/{started.pid}/task/{started.pid}/children")
        until = time.monotonic() + 60
        while started.poll() is None and time.monotonic() < until:
            time.sleep(0.2)
            for child in children.read_text().split() if children.exists() else ():
                subprocess.run(["kill", "-TERM", child], stderr=subprocess.DEVNULL)
        if started.poll() is None:
            for child in children.read_text().split():
                subprocess.run(["kill", "-KILL", child])
    assert started.returncode == 143
