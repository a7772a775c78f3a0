"""What the rooms behind the web raise, as problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from pipeline.accounts.faults import (
    AccountsUnusableError,
    LockedOutError,
    NoSuchAccountError,
    NotAllowedError,
    WeakPasswordError,
)
from pipeline.desk.errors import DownloadEndedError, NotThereError, SpecialCodeError
from pipeline.errors import PipelineError
from pipeline.intake.sender import DoorClosedError, KeyReusedError
from pipeline.web.downloads import NotReadyError
from pipeline.web.problems import Problem, not_found

_SOON: Final = {"Retry-After": "2"}
_HALF_A_MINUTE: Final = 30


def _told(name: str, headers: dict[str, str] | None = None) -> Callable[[PipelineError], Problem]:
    def problem(fault: PipelineError) -> Problem:
        return Problem(name, fault.message_zh, fault.message_en, headers=headers or {})

    return problem


def _locked_out(fault: PipelineError) -> Problem:
    seconds = fault.seconds if isinstance(fault, LockedOutError) else _HALF_A_MINUTE
    return _told("too-many-requests", {"Retry-After": str(seconds)})(fault)


def _door_closed(fault: PipelineError) -> Problem:
    seconds = fault.retry_seconds if isinstance(fault, DoorClosedError) else _HALF_A_MINUTE
    return _told("closed", {"Retry-After": str(seconds)})(fault)


PROBLEMS: Final[dict[type[PipelineError], Callable[[PipelineError], Problem]]] = {
    NotThereError: lambda _: not_found(),
    NoSuchAccountError: lambda _: not_found(),
    AccountsUnusableError: _door_closed,
    NotAllowedError: _told("not-allowed"),
    DownloadEndedError: _told("download-ended"),
    NotReadyError: _told("not-ready", _SOON),
    KeyReusedError: _told("key-reused"),
    SpecialCodeError: _told("invalid-request"),
    WeakPasswordError: _told("weak-password"),
    LockedOutError: _locked_out,
    DoorClosedError: _door_closed,
}


def problem_of(fault: PipelineError) -> Problem | None:
    """The problem that a fault is to who asked; ``None`` where it is ours alone."""
    for kind in type(fault).__mro__:
        if kind in PROBLEMS:
            return PROBLEMS[kind](fault)
    return None
