"""Takes traces and metrics as a collector does: OTLP over HTTP and gRPC, parsed by OpenTelemetry's own messages."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc


@dataclass(frozen=True)
class SeenSpan:
    """A span as it was sent."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    error: str
    attributes: dict[str, Any]


@dataclass
class Received:
    """All that was sent so far."""

    spans: list[SeenSpan] = field(default_factory=list)
    metrics: list[tuple[str, float, dict[str, Any]]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    def named(self, name: str) -> list[SeenSpan]:
        return [span for span in self.spans if span.name == name]

    def take(self, body: bytes, *, traces: bool) -> None:
        """Parse a request and keep what it says; ValueError where it is none."""
        self.bodies.append(body)
        if traces:
            self._take_spans(trace_service_pb2.ExportTraceServiceRequest.FromString(body))
        else:
            self._take_metrics(metrics_service_pb2.ExportMetricsServiceRequest.FromString(body))

    def _take_spans(self, request: Any) -> None:
        for resource in request.resource_spans:
            service = _values(resource.resource.attributes)["service.name"]
            for span in (span for scope in resource.scope_spans for span in scope.spans):
                ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                error = span.status.message if span.status.code == 2 else ""
                self.spans.append(SeenSpan(service, span.name, *ids, error, _values(span.attributes)))

    def _take_metrics(self, request: Any) -> None:
        for metric in (m for r in request.resource_metrics for s in r.scope_metrics for m in s.metrics):
            for point in (*metric.sum.data_points, *metric.gauge.data_points):
                value = point.as_int if point.WhichOneof("value") == "as_int" else point.as_double
                self.metrics.append((metric.name, value, _values(point.attributes)))


@contextmanager
def http_receiver() -> Iterator[Received]:
    """Listen on a free loopback port over HTTP."""
    received = Received()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.headers.append(dict(self.headers))
            body = gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body
            received.take(body, traces=self.path == "/v1/traces")
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        received.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield received
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def grpc_receiver() -> Iterator[Received]:
    """Listen on a free loopback port over gRPC."""
    received = Received()

    class Traces(trace_service_pb2_grpc.TraceServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            received.take(request.SerializeToString(), traces=True)
            return trace_service_pb2.ExportTraceServiceResponse()

    class Metrics(metrics_service_pb2_grpc.MetricsServiceServicer):
        def Export(self, request: Any, context: Any) -> Any:  # noqa: N802 - gRPC's name
            received.take(request.SerializeToString(), traces=False)
            return metrics_service_pb2.ExportMetricsServiceResponse()

    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Traces(), server)  # type: ignore[no-untyped-call] # generated
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(Metrics(), server)  # type: ignore[no-untyped-call] # generated
    received.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield received
    finally:
        server.stop(None).wait()


def _values(attributes: Any) -> dict[str, Any]:
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in attributes}
