"""Decides whether work is traced.

`PENSTOCK_OTEL=1` says so, and the standard OTEL_ variables say the rest:
https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager

from staging.telemetry.span import NO_SPAN, Attributes, Span
from staging.telemetry.variables import OTEL, TRACE_VARIABLES
from staging.telemetry.warning import warn

_ON = ("1", "true", "yes", "on")


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
    if not is_on(environ, OTEL):
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

    None of them may hold a secret: everybody sees those of an execution.
    """
    parent = span.environment()
    if not parent:
        return {}
    shown = {name: environ[name] for name in TRACE_VARIABLES if name in environ and "@" not in environ[name]}
    return shown | {OTEL: "1"} | parent


def _begin(environ: Mapping[str, str], service: str) -> Begin | None:
    try:
        from staging.telemetry.otel import begin_span, find_sender  # noqa: PLC0415 - costs time, and may not be there

        sender = find_sender(environ, service)
    except ImportError as error:
        missing = error.name or "OpenTelemetry"
        warn(f"{OTEL} is set, but {missing} is not installed: the extra `otel` brings it")
        return None
    except Exception as error:  # noqa: BLE001 - a wrong OTEL_ variable must not end a night
        warn(f"there will be no traces: {error}")
        return None
    return lambda name, attributes, parent: begin_span(sender, name, attributes, parent)
