"""EDGE: one OpenTelemetry trace per upload, from the door to the commit, if the operator wants it.

An id of an upload has 128 bits, as that of a trace has, so it *is* the trace's, in hexadecimal: no
message carries anything for it, and whoever has one finds the other. A stage is told once it has
ended, for all uploads it was done to. Where the environment names no collector nothing is imported
and nothing is made; what goes wrong with a collector is logged and nobody waits for it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal, Protocol

from pipeline.errors import kind_and_place
from pipeline.upload_ids import is_upload_id, number_of

Stage = Literal["take", "wait", "dispatch", "check", "merge", "record", "commit"]
Uploads = Mapping[str, Mapping[str, Any]]
"""By upload id, what is known of an upload: names as in ``uploads`` or in its envelope."""

NOBODY: Final[Uploads] = {}
NOTHING_KNOWN: Final[Mapping[str, Any]] = {}
came_with: Final[ContextVar[str | None]] = ContextVar("came_with", default=None)
"""``traceparent`` of the request that is answered here."""

_log = logging.getLogger(__name__)


class Teller(Protocol):
    """Where stages are told."""

    def tell(self, stage: Stage, uploads: Uploads, seconds: float) -> None:
        """A stage ended now that took so long."""

    def close(self) -> None:
        """Send what is there, within some seconds."""


_teller: Teller | None = None


def tell(stage: Stage, uploads: Uploads, seconds: float) -> None:
    """A stage that was done to these uploads ended now, and took so long. Raises nothing."""
    global _teller
    teller = _teller  # which the end of ``traced`` takes away, whoever else is telling
    if teller is None:
        return
    try:
        teller.tell(stage, uploads, seconds)
    except Exception as fault:  # no upload is to suffer for it
        _log.error("no traces from now on: %s", kind_and_place(fault))
        _teller = None


def trace_of(upload_id: object) -> str | None:
    """The trace of an upload, in hexadecimal; ``None`` while there are none."""
    if _teller is None or not isinstance(upload_id, str) or not is_upload_id(upload_id):
        return None
    return f"{number_of(upload_id):032x}"


def are_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a collector, by the variables that OpenTelemetry has for it."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environment.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() != "otlp":
        return False
    return bool(
        environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
        or environment.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    )


@contextmanager
def traced(role: str) -> Iterator[None]:
    """Tell of all stages of this process, which plays a role, if the operator wants it."""
    global _teller
    teller = _teller = _opened(role) if are_wanted() else None
    try:
        yield
    finally:
        _teller = None
        if teller is not None:
            teller.close()


def _opened(role: str) -> Teller | None:
    try:
        from pipeline.spans import Spans

        return Spans(role)
    except ImportError as lacking:
        _log.error("no traces: %s is not installed, the extra `traces` has it", lacking.name)
    except Exception as wrong:  # by what the environment says
        _log.error("no traces: %s", wrong)
    return None
