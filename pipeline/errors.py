"""Faults of ours or of the machine: never of a sender, whose faults are findings and refusals."""

from __future__ import annotations

import traceback
from pathlib import PurePath


class PipelineError(Exception):
    """Base of every fault. The message says what happened and what to do, in both languages."""

    def __init__(self, message_zh: str, message_en: str) -> None:
        super().__init__(f"{message_zh}\n{message_en}")
        self.message_zh = message_zh
        self.message_en = message_en


class StoreUnusableError(PipelineError):
    """A store can't be opened: wrong place, wrong version, or damaged."""


class StoreBusyError(PipelineError):
    """Another process holds the store's lock."""


class StoreWriteError(PipelineError):
    """Writing failed (disk full, read-only). The store is as before or after a batch."""


class ReceiptWriteError(PipelineError):
    """The folder of receipts can't be written. What was committed stands."""


class ReportWriteError(PipelineError):
    """A report can't be written. What was there before is still there, whole."""


class UnknownUploadError(PipelineError):
    """An upload was named that the store does not have."""


def kind_and_place(fault: BaseException) -> str:
    """What a fault of ours is and where: without its message, which may hold a patient's data."""
    frame = traceback.extract_tb(fault.__traceback__)[-1]
    return f"{type(fault).__name__}, {PurePath(frame.filename).name}:{frame.lineno}"
