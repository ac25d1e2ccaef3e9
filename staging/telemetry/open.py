"""Decides whether work is traced.

`PENSTOCK_OTEL=1` says so, and the standard OTEL_ variables say the rest:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from staging.telemetry.span import NO_SPAN, Attributes, Span
from staging.telemetry.warning import warn

VARIABLE = "PENSTOCK_OTEL"
_ON = ("1", "true", "yes", "on")
_TO_JOBS = (
    *("OTEL_SDK_DISABLED", "OTEL_RESOURCE_ATTRIBUTES", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER"),
    *("OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    *("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    *("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_COMPRESSION"),
    *("OTEL_EXPORTER_OTLP_INSECURE", "OTEL_BSP_EXPORT_TIMEOUT"),
)
"""What jobs elsewhere get by their executions, where everybody sees it: no headers, no keys."""


def is_on(environ: Mapping[str, str], variable: str) -> bool:
    """Whether a variable switches something on."""
    return environ.get(variable, "").lower() in _ON


Begin = Callable[[str, Attributes, str], AbstractContextManager[Span]]


@contextmanager
def open_span(environ: Mapping[str, str], service: str, name: str, attributes: Attributes) -> Iterator[Span]:
    """Run the block as a span of the process's service.

    It goes on with the trace of `TRACEPARENT`, ends as the block ends, and is sent before this returns, within seconds.
    Whatever is wrong with that is a warning.
    """
    if not is_on(environ, VARIABLE):
        yield NO_SPAN
        return
    begun = _begin(environ, service)
    if begun is None:
        yield NO_SPAN
        return
    with begun(name, attributes, environ.get("TRACEPARENT", "")) as span:
        yield span


def plan_job_environment(environ: Mapping[str, str], span: Span) -> dict[str, str]:
    """Return the variables by which a job continues the trace.

    None of them may hold a secret.
    """
    parent = span.environment()
    if not parent:
        return {}
    shown = {name: environ[name] for name in _TO_JOBS if name in environ and "@" not in environ[name]}
    return shown | {VARIABLE: "1"} | parent


def _begin(environ: Mapping[str, str], service: str) -> Begin | None:
    try:
        from staging.telemetry.otel import begin_span, find_sender  # noqa: PLC0415 - costs time, and may not be there

        sender = find_sender(environ, service)
    except ImportError as error:
        missing = error.name or "OpenTelemetry"
        warn(f"{VARIABLE} is set, but {missing} is not installed: the extra `otel` brings it")
        return None
    except Exception as error:  # noqa: BLE001 - a wrong OTEL_ variable must not end a night
        warn(f"there will be no traces: {error}")
        return None
    return lambda name, attributes, parent: begin_span(sender, name, attributes, parent)
