"""Sends spans and metrics by OpenTelemetry's own SDK.

Every call is guarded: what the SDK raises is a warning, once. Attributes hold names, figures and redacted sentences.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import ConsoleMetricExporter, MetricExporter, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from staging.errors import InterruptedRunError, PenstockError
from staging.redaction import redact
from staging.telemetry.span import Attributes, DayFigures, Span
from staging.telemetry.warning import warn

FLUSH_SECONDS = 2.0
"""How long a process waits at its end for unsent data, unless OTEL_BSP_EXPORT_TIMEOUT (ms) says it."""

_STOPPED_FLUSH_SECONDS = 0.4  # a process that is stopped has to end within five, and has used four
_HTTP, _GRPC = "http/protobuf", "grpc"
_ours = threading.Lock()
_senders: dict[str, Sender] = {}


class Sender:
    """What a process sends by: one for each service."""

    def __init__(self, environ: Mapping[str, str], service: str) -> None:
        timeout_ms = environ.get("OTEL_BSP_EXPORT_TIMEOUT")
        self.flush_seconds = int(timeout_ms) / 1000 if timeout_ms else FLUSH_SECONDS
        named = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": service}
        resource = Resource.create({**named, "service.namespace": "penstock"})
        self._traces = TracerProvider(resource=resource, shutdown_on_exit=False)
        if (spans := _span_exporter(environ)) is not None:
            self._traces.add_span_processor(BatchSpanProcessor(spans))
        metrics = _metric_exporter(environ)
        readers = [] if metrics is None else [PeriodicExportingMetricReader(metrics)]
        self._metrics = MeterProvider(readers, resource, shutdown_on_exit=False)
        self.tracer = self._traces.get_tracer("penstock")
        meter = self._metrics.get_meter("penstock")
        self.rows = meter.create_counter("penstock.rows", "{row}", "Rows that a job's attempts are through with.")
        self.day_rows = meter.create_counter("penstock.day.rows", "{row}", "Rows of days that are done, by stage.")
        self.bytes = meter.create_counter("penstock.bytes", "By", "Bytes that a job is through with.")
        self.waits = meter.create_counter("penstock.wait", "s", "How long reading waited for the source, by reason.")
        self.lag = meter.create_gauge("penstock.lag", "s", "How long after its end a day was loaded.")

    def flush(self, seconds: float) -> None:
        """Send what is left.

        After so many seconds it returns in any case.
        """
        began = time.monotonic()
        for send in (self._traces.force_flush, self._metrics.force_flush):
            worker = threading.Thread(target=_guarded, args=(send,), name="telemetry", daemon=True)
            worker.start()
            worker.join(max(0.0, seconds - (time.monotonic() - began)))


def find_sender(environ: Mapping[str, str], service: str) -> Sender:
    """Return the process's sender for the service."""
    with _ours:
        if service not in _senders:
            _report_by_warnings()
            _senders[service] = Sender(environ, service)
        return _senders[service]


@contextmanager
def begin_span(sender: Sender, name: str, attributes: Attributes, parent: str) -> Iterator[Span]:
    """Run the block as a span below `parent`.

    That is a W3C traceparent. The span is sent before this returns.
    """
    context = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent else None
    span = OtelSpan(sender, name, attributes, context)
    wait_seconds = sender.flush_seconds
    try:
        yield span
    except BaseException as error:
        span.fail(error)
        if isinstance(error, InterruptedRunError | KeyboardInterrupt):
            wait_seconds = _STOPPED_FLUSH_SECONDS
        raise
    finally:
        span.end()
        sender.flush(wait_seconds)


class OtelSpan(Span):
    """A span that is sent; see `Span`."""

    def __init__(self, sender: Sender, name: str, attributes: Attributes, context: Context | None = None) -> None:
        self._sender = sender
        self._attributes = dict(attributes)
        self._span = sender.tracer.start_span(name, context=context, attributes=_clean(attributes))
        self._context = trace.set_span_in_context(self._span)
        self._phase: trace.Span | None = None
        self._rows = self._bytes = 0

    def begin_phase(self, phase: str) -> None:
        """See `Span`."""
        _guarded(lambda: self._begin_phase(phase))

    def note(self, attributes: Attributes) -> None:
        """See `Span`."""
        _guarded(lambda: self._span.set_attributes(_clean(attributes)))

    def count(self, rows: int, size_bytes: int) -> None:
        """See `Span`."""
        self._rows, self._bytes = rows, size_bytes

    def measure(self, figures: DayFigures) -> None:
        """See `Span`."""
        _guarded(lambda: self._measure(figures))

    @contextmanager
    def inner(self, name: str, attributes: Attributes) -> Iterator[Span]:
        """See `Span`."""
        span = OtelSpan(self._sender, name, {**self._attributes, **attributes}, self._context)
        try:
            yield span
        except BaseException as error:
            span.fail(error)
            raise
        finally:
            span.end()

    def environment(self) -> dict[str, str]:
        """See `Span`."""
        carrier: dict[str, str] = {}
        _guarded(lambda: TraceContextTextMapPropagator().inject(carrier, self._context))
        return {name.upper(): value for name, value in carrier.items()}

    def fail(self, error: BaseException) -> None:
        """Say that it ended badly.

        In the error's first words: no traceback, no secret.
        """
        what = error.what if isinstance(error, PenstockError) else type(error).__name__
        status = trace.Status(trace.StatusCode.ERROR, redact(what))
        code = int(error.exit_code) if isinstance(error, PenstockError) else 1
        _guarded(lambda: self._span.set_attribute("penstock.exit_code", code))
        for span in filter(None, (self._phase, self._span)):
            _guarded(partial(span.set_status, status))

    def end(self) -> None:
        """End it, and its last phase."""
        _guarded(self._end)

    def _begin_phase(self, phase: str) -> None:
        if self._phase is not None:
            self._phase.end()
        self._phase = self._sender.tracer.start_span(phase, context=self._context)

    def _measure(self, figures: DayFigures) -> None:
        labels = {"penstock.pipeline": str(self._attributes.get("penstock.pipeline", ""))}
        for stage, rows in figures.rows.items():
            self._sender.day_rows.add(rows, labels | {"penstock.stage": stage})
        for reason, seconds in figures.waited_seconds.items():
            self._sender.waits.add(seconds, labels | {"penstock.reason": reason})
        self._sender.lag.set(figures.lag_seconds, labels)
        waited = {f"penstock.waited_seconds.{reason}": seconds for reason, seconds in figures.waited_seconds.items()}
        self._span.set_attributes(waited | {"penstock.lag_seconds": figures.lag_seconds})

    def _end(self) -> None:
        if self._phase is not None:
            self._phase.end()
        if job := self._attributes.get("penstock.job"):
            labels = {"penstock.pipeline": str(self._attributes.get("penstock.pipeline", "")), "penstock.job": str(job)}
            if self._rows or self._bytes:
                self._span.set_attributes({"penstock.rows": self._rows, "penstock.bytes": self._bytes})
                self._sender.rows.add(self._rows, labels)
                self._sender.bytes.add(self._bytes, labels)
        self._span.end()


def _clean(attributes: Attributes) -> dict[str, str | int | float | bool]:
    return {name: redact(value) if isinstance(value, str) else value for name, value in attributes.items()}


def _guarded(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - no trace is worth a night
        _warn_once(f"a trace is not whole: {error}")


def _span_exporter(environ: Mapping[str, str]) -> SpanExporter | None:
    wanted = environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower()
    if wanted == "none":
        return None
    if wanted == "console":
        return ConsoleSpanExporter()
    if _protocol(environ, "TRACES", wanted) == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415 - only where it is used
            OTLPSpanExporter as GrpcSpanExporter,
        )

        return GrpcSpanExporter()
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

    return OTLPSpanExporter()


def _metric_exporter(environ: Mapping[str, str]) -> MetricExporter | None:
    wanted = environ.get("OTEL_METRICS_EXPORTER", "otlp").strip().lower()
    if wanted == "none":
        return None
    if wanted == "console":
        return ConsoleMetricExporter()
    if _protocol(environ, "METRICS", wanted) == _GRPC:
        from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415 - only where it is used
            OTLPMetricExporter as GrpcMetricExporter,
        )

        return GrpcMetricExporter()
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - the same

    return OTLPMetricExporter()


def _protocol(environ: Mapping[str, str], signal: str, exporter: str) -> str:
    """Return how a signal is sent; ValueError for what this can't."""
    own, common = f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"
    wanted = environ.get(own) or environ.get(common) or _HTTP
    if exporter != "otlp" or wanted not in (_HTTP, _GRPC):
        raise ValueError(
            f"OTEL_{signal}_EXPORTER is {exporter} by {wanted}; known are otlp by {_HTTP} or {_GRPC}, console and none"
        )
    return wanted


_warned = threading.Event()


def _warn_once(text: str) -> None:
    if not _warned.is_set():
        _warned.set()
        warn(text)


class _OneWarning(logging.Handler):
    """The SDK's log, such as that a collector is away: the first message in one line, no more."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        _warn_once(f"traces or metrics were not sent: {record.getMessage().splitlines()[0]}")


def _report_by_warnings() -> None:
    logger = logging.getLogger("opentelemetry")
    logger.handlers = [_OneWarning(logging.WARNING)]
    logger.propagate = False
