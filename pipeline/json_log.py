"""EDGE: logs as JSON lines on standard error, for whatever runs until it is stopped.

What a line is about stands beside its message: ``extra={"facts": {"upload_id": …}}``. One upload id
leads from the request through all workers to the commit, and to the upload's trace where there are
traces; what a line tells is never personal.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

import orjson

from pipeline import traces
from pipeline.taipei import TAIPEI


class JsonLines(logging.Formatter):
    """One JSON object a line; what is logged as an object already is merged into it."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        at = self.formatTime(record)
        said: dict[str, Any] = {"at": at, "level": record.levelname, "from": record.name}
        text = record.getMessage()
        if record.name == "pipeline.web.access":
            said |= orjson.loads(text)
        else:
            said["message"] = text
            said |= getattr(record, "facts", {})
        if trace := traces.trace_of(said.get("upload_id")):
            said["trace_id"] = trace
        if record.exc_info:
            said["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(said).decode()

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, N802
        """The moment in Taipei."""
        return datetime.fromtimestamp(record.created, TAIPEI).isoformat(timespec="milliseconds")


def log_as_json(level: int = logging.INFO) -> None:
    """Let everything be logged to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("uvicorn.error", "httpx", "asyncio", "urllib3"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
