"""The fault layer sees what the system sees: every change, whoever makes it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from crash.children import TESTS
from crash.faults import MISSING, Kind, build, read_record

KINDS = {
    "write": Kind.WRITE, "pwrite64": Kind.WRITE, "writev": Kind.WRITE, "pwritev": Kind.WRITE,
    "pwritev2": Kind.WRITE, "ftruncate": Kind.TRUNCATE, "truncate": Kind.TRUNCATE,
    "rename": Kind.RENAME, "renameat": Kind.RENAME, "renameat2": Kind.RENAME,
    "link": Kind.LINK, "linkat": Kind.LINK, "unlink": Kind.UNLINK, "mkdir": Kind.MKDIR,
    "mkdirat": Kind.MKDIR, "rmdir": Kind.RMDIR, "fsync": Kind.SYNC, "fdatasync": Kind.SYNC,
    "syncfs": Kind.SYNC_ALL,
}  # fmt: skip
UNKNOWN = "copy_file_range,sendfile,fallocate,msync,sync,symlink,symlinkat,io_uring_enter"
RESUMED = re.compile(r"^\d+ +<\.\.\. \w+ resumed>")
ONE_RUN = """
import os, sys
from pathlib import Path
from crash.faults import Fault, arm
from crash.jobs import take
library, source, world, record = sys.argv[1:]
arm(Path(library), [world], Fault(), os.open(record, os.O_WRONLY | os.O_CREAT, 0o600))
sys.exit(take([source], world + "/store", world + "/receipts"))
"""


def can_trace() -> bool:
    """Whether processes may be traced here."""
    strace = shutil.which("strace")
    return bool(strace) and not subprocess.run([strace, "true"], capture_output=True).returncode


@pytest.mark.skipif(bool(MISSING), reason=str(MISSING))
def test_the_layer_sees_what_the_system_sees(tmp_path: Path) -> None:
    if not can_trace():
        pytest.skip("there is no strace to compare with, or it may not trace")
    from crash.uploads import write_uploads

    world, trace, record = tmp_path / "world", tmp_path / "trace", tmp_path / "record"
    world.mkdir()
    source, library = write_uploads(tmp_path / "in")[0], build(tmp_path)
    paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        ["strace", "-f", "-y", "--seccomp-bpf", "-o", str(trace),
         "-e", f"trace={','.join(KINDS)},unlinkat,{UNKNOWN}", "-E", f"LD_PRELOAD={library}",
         sys.executable, "-c", ONE_RUN, str(library), source, str(world), str(record)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    calls = _calls(trace.read_text(encoding="utf-8", errors="replace"), str(world))
    seen = Counter(change.kind for change in read_record(record) if change.kind in calls)
    assert calls == seen
    assert calls[Kind.WRITE] > 100


def _calls(trace: str, world: str) -> Counter[Kind]:
    """Calls that changed something below ``world``. Fails on one that the layer knows nothing of.

    strace cuts a call in two where another thread's comes in between.
    """
    begun: dict[str, str] = {}
    counts: Counter[Kind] = Counter()
    for line in trace.splitlines():
        thread = line.split(" ", 1)[0]
        if line.endswith("<unfinished ...>"):
            begun[thread] = line.removesuffix("<unfinished ...>")
            continue
        whole = RESUMED.sub("", line)
        if whole != line:
            whole = begun.pop(thread) + whole
        match = re.match(r"^\d+ +(\w+)\((.*)\) += (-?\d+)", whole)
        if not match or match[3].startswith("-") or world not in _without_data(match[2]):
            continue
        name = match[1]
        if name == "unlinkat":
            name = "rmdir" if "AT_REMOVEDIR" in match[2] else "unlink"
        assert name in KINDS, f"the layer knows nothing of {whole}"
        counts[KINDS[name]] += 1
    return counts


def _without_data(arguments: str) -> str:
    """The arguments of a write but for what is written, which may name a path."""
    return re.sub(r'^(\d+<[^>]*>), "(?:[^"\\]|\\.)*"', r"\1", arguments)
