"""What the children of the host do. Each gives its exit code, as the command would."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from store_tables import put_visits

from crash.intake import serve
from pipeline.cli import main
from pipeline.cli.stored import answers_from_store
from pipeline.errors import PipelineError
from pipeline.generate import DEFAULT_AS_OF
from pipeline.report.receipt_files import ReceiptFolder
from pipeline.run import RunOptions, run
from pipeline.settings import read_settings
from pipeline.store.opening import open_tables
from pipeline.store.store import open_store
from rules import load_plan

OUR_FAULT = 70
PLAN = load_plan()


def take(
    sources: list[str],
    store: str,
    receipts: str | None = None,
    received_at: str = DEFAULT_AS_OF.isoformat(),
    **options: Any,
) -> int:
    """What ``nhi-upload run`` does, in small commits, into a store of one bucket: few files."""
    small = {"batch_uploads": 2, "commit_uploads": 4, "wait_seconds": 60.0} | options
    small["received_at"] = datetime.fromisoformat(received_at)
    stored = partial(answers_from_store, store, read_settings())
    folder = ReceiptFolder(Path(receipts), stored) if receipts else None
    try:
        with open_store(store, buckets=1, wait_seconds=small["wait_seconds"], waiting=_tell):
            pass
        run(
            sources, store, PLAN, RunOptions(**small),
            receipts=folder, waiting=_tell,
        )  # fmt: skip
    except PipelineError as fault:
        print(fault, file=sys.stderr)
        return OUR_FAULT
    finally:
        if folder:
            folder.close()
    return 0


def _tell(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def command(arguments: list[str]) -> int:
    """A command line, in full."""
    return main(arguments)


def hold(store: str, ready: str) -> int:
    """Hold a store until killed; ``ready`` is a file that then is there."""
    with open_store(store, buckets=1):
        Path(ready).touch()
        time.sleep(600)
    return 0


def record(store: str, versions: list[tuple[str, int]]) -> int:
    """Record made-up visits as the recorder of a stream does, taking the store where need be."""
    try:
        with open_tables(store, recording=True, wait_seconds=0.2) as committer:
            put_visits(committer, [(key, sequence) for key, sequence in versions])
    except PipelineError as fault:
        print(fault, file=sys.stderr)
        return OUR_FAULT
    return 0


JOBS: dict[str, Callable[..., int]] = {
    "take": take,
    "serve": serve,
    "command": command,
    "hold": hold,
    "record": record,
}
