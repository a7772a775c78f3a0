"""EDGE: stages of uploads as spans of OpenTelemetry, sent by OTLP over HTTP.

Only ``pipeline.traces`` opens it. The standard variables ``OTEL_…`` set all there is to set.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread, local
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from pipeline.traces import Stage, Uploads, came_with
from pipeline.upload_ids import is_upload_id, number_of
from pipeline.version import ENGINE

CLOSE_SECONDS: Final = 5.0
_HALF: Final = (1 << 64) - 1
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_TOLD: Final = (
    "institution", "channel", "mode", "sequence", "status", "refusal_code",
    "records", "records_accepted", "records_warned", "records_rejected", "orders",
)  # fmt: skip
"""What is told of an upload where it is known: nothing of a person."""

_log = logging.getLogger(__name__)


class Spans:
    """Tells stages to the collector of the environment, from any thread.

    Of each upload ``take`` is the root and all else below it, whichever process tells it: the
    root's id follows from the upload's. So does whether an upload is sampled at all.
    """

    def __init__(self, role: str) -> None:
        self._ids = _Ids()
        resource = Resource.create({"service.version": ENGINE})
        if str(resource.attributes["service.name"]).startswith("unknown_service"):
            resource = resource.merge(Resource({"service.name": f"nhi-upload-{role}"}))
        self._provider = TracerProvider(
            id_generator=self._ids, resource=resource, shutdown_on_exit=False
        )
        self._exporter = OTLPSpanExporter()
        self._provider.add_span_processor(BatchSpanProcessor(self._exporter))
        self._tracer = self._provider.get_tracer("nhi-upload", ENGINE)

    def tell(self, stage: Stage, uploads: Uploads, seconds: float) -> None:
        """A stage ended now that took so long."""
        ended = time.time_ns()
        began = ended - int(seconds * 1e9)
        for upload_id, known in uploads.items():
            if is_upload_id(upload_id) and self._samples(trace_id := number_of(upload_id), stage):
                known = {"id": upload_id} | {name: known.get(name) for name in _TOLD}
                told = {f"upload.{name}": it for name, it in known.items() if it is not None}
                told["stage.uploads"] = len(uploads)
                self._span(stage, trace_id, began, ended, told)

    def close(self) -> None:
        """Send what is there, within some seconds."""
        closing = Thread(target=self._provider.shutdown, name="traces", daemon=True)
        closing.start()
        closing.join(CLOSE_SECONDS)
        if closing.is_alive():
            self._exporter.shutdown()  # type: ignore[no-untyped-call]
            _log.warning("the collector of traces does not answer; what it lacks is lost")

    def _samples(self, trace_id: int, stage: Stage) -> bool:
        told = self._provider.sampler.should_sample(_NOWHERE, trace_id, stage)
        return told.decision is Decision.RECORD_AND_SAMPLE

    def _span(
        self, stage: Stage, trace_id: int, began: int, ended: int, told: Mapping[str, Any]
    ) -> None:
        root = SpanContext(trace_id, trace_id & _HALF, is_remote=True, trace_flags=_SAMPLED)
        if stage == "take":
            with self._ids.taking(root):
                span = self._tracer.start_span(
                    stage, _NOWHERE, attributes=told, links=_links(), start_time=began
                )
        else:
            below = set_span_in_context(NonRecordingSpan(root), _NOWHERE)
            span = self._tracer.start_span(stage, below, attributes=told, start_time=began)
        if told.get("upload.status") == "failed":
            span.set_status(StatusCode.ERROR)
        span.end(ended)


class _Ids(RandomIdGenerator):
    """Random ones, but for a root that is asked for."""

    def __init__(self) -> None:
        self._asked = local()

    @contextmanager
    def taking(self, root: SpanContext) -> Iterator[None]:
        """The next span of this thread has these ids."""
        self._asked.root = root
        try:
            yield
        finally:
            self._asked.root = None

    def generate_trace_id(self) -> int:
        root: SpanContext | None = getattr(self._asked, "root", None)
        return root.trace_id if root else super().generate_trace_id()

    def generate_span_id(self) -> int:
        root: SpanContext | None = getattr(self._asked, "root", None)
        return root.span_id if root else super().generate_span_id()


def _links() -> list[Link]:
    """To the trace in which the request came."""
    header = came_with.get()
    if header is None:
        return []
    found = TraceContextTextMapPropagator().extract({"traceparent": header}, _NOWHERE)
    caller = get_current_span(found).get_span_context()
    return [Link(caller)] if caller.is_valid else []


_NOWHERE: Final = Context()
