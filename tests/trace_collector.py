"""A collector of traces: takes what OTLP over HTTP brings, and keeps it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from asgi_server import serving
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

Value = str | int


@dataclass(frozen=True)
class Seen:
    """A span as it came, and of which service."""

    service: str
    span: Span

    @property
    def told(self) -> dict[str, Value]:
        """Its attributes."""
        return _values(self.span.attributes)


@dataclass
class Collector:
    """What came. ``url`` is the endpoint to name."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    bytes: bytearray = field(default_factory=bytearray)

    def take(self, body: bytes) -> None:
        """One request."""
        self.bytes += body
        for one in ExportTraceServiceRequest.FromString(body).resource_spans:
            service = str(_values(one.resource.attributes)["service.name"])
            spans = [span for scope in one.scope_spans for span in scope.spans]
            self.seen += [Seen(service, span) for span in spans]

    def traces(self) -> Mapping[str, list[Seen]]:
        """Spans by trace, in hexadecimal, each in the order of their beginnings."""
        traces = defaultdict[str, list[Seen]](list)
        for one in sorted(self.seen, key=lambda one: one.span.start_time_unix_nano):
            traces[one.span.trace_id.hex()].append(one)
        return traces


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector on a port of its own."""

    async def taken(request: Request) -> Response:
        collector.take(await request.body())
        return Response()

    collector = Collector()
    app = Starlette(routes=[Route("/v1/traces", taken, methods=["POST"])])
    config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
    with serving(config) as collector.url:
        yield collector


def _values(attributes: list[KeyValue]) -> dict[str, Value]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: AnyValue) -> Value:
    found = getattr(value, value.WhichOneof("value"))
    assert isinstance(found, str | int)
    return found
