"""Processes that are killed, or made to fail, at a change of their own on disk."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from crash.faults import Fault, build

TESTS = Path(__file__).parents[1]
NO_FAULT = Fault()


@dataclass(frozen=True)
class Ended:
    """How a child ended: exit code or minus the signal, changes seen (-1 if killed), its words."""

    code: int
    seen: int
    said: str


class Host:
    """Starts children; see ``crash.host``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()
        self._said: dict[int, Path] = {}
        library = build(folder)
        paths = [str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "crash.host", str(library)],
            env={**os.environ, "LD_PRELOAD": str(library), "PYTHONPATH": os.pathsep.join(paths)},
            cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._answer() == "ready\n"

    def close(self) -> None:
        """Let the host end; its children have been waited for."""
        self._process.communicate()

    def start(
        self,
        name: str,
        *,
        watch: list[Path],
        fault: Fault = NO_FAULT,
        record: Path | None = None,
        **arguments: Any,
    ) -> int:
        """Start a job of ``crash.jobs``, its changes below ``watch`` seen; gives its process id."""
        said = self._folder / f"said-{next(self._numbers)}"
        pid = self._ask(
            {
                "name": name,
                "arguments": arguments,
                "watch": [str(folder.resolve()) for folder in watch],
                "fault": (fault.at, fault.deed, fault.error),
                "record": str(record) if record else None,
                "said": str(said),
            }
        )["pid"]
        self._said[pid] = said
        return int(pid)

    def said(self, pid: int) -> str:
        """What a child that is running has said so far."""
        path = self._said[pid]
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def wait(self, pid: int) -> Ended:
        """The end of a child."""
        answer = self._ask({"wait": pid})
        said = self._said.pop(pid)
        text = said.read_text(encoding="utf-8")
        said.unlink()
        return Ended(answer["code"], answer["seen"], text)

    def do(self, name: str, **keywords: Any) -> Ended:
        """Start a job and wait for it."""
        return self.wait(self.start(name, **keywords))

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin
        print(json.dumps(question), file=self._process.stdin, flush=True)
        answer: dict[str, Any] = json.loads(self._answer())
        return answer

    def _answer(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()
