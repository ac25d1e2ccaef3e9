"""Traces are sent where somebody asked for them, cost nothing where nobody did, and never end a job."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from staging.errors import InputError
from staging.redaction import remember_secret
from staging.telemetry.open import open_span, plan_job_environment
from staging.telemetry.span import NO_SPAN, DayFigures
from tests.staging.telemetry.otlp import Received, grpc_receiver, http_receiver

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JOB = {"penstock.pipeline": "p", "penstock.job": "exporter"}


@pytest.fixture(autouse=True)
def fresh_sender(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a sender of its own, as each process has."""
    otel = pytest.importorskip("staging.telemetry.otel")
    monkeypatch.setattr(otel, "_senders", {})
    otel._warned.clear()


def traced(monkeypatch: pytest.MonkeyPatch, received: Received, protocol: str) -> dict[str, str]:
    environ = {
        "PENSTOCK_OTEL": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_INSECURE": "true",
        "OTEL_BSP_EXPORT_TIMEOUT": "60000",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)  # the SDK reads them itself
    return environ


@pytest.mark.parametrize(
    ("receiver", "protocol"), [(http_receiver, "http/protobuf"), (grpc_receiver, "grpc")], ids=["http", "grpc"]
)
def test_spans_and_metrics_arrive_before_the_block_has_ended(
    receiver: Callable[[], AbstractContextManager[Received]], protocol: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver() as received:
        environ = traced(monkeypatch, received, protocol) | {"TRACEPARENT": PARENT}
        with open_span(environ, "penstock-exporter", "exporter", JOB) as span:
            span.begin_phase("connect")
            span.begin_phase("read")
            span.count(5, 700)
            span.count(12, 900)
            with span.inner("inner", {"a": 1}) as inner:
                assert inner.environment()["TRACEPARENT"].split("-")[1] == PARENT.split("-")[1]
            span.measure(DayFigures({"loaded": 3}, {"pause_switch": 1.5}, 60.0))
        [job] = received.named("exporter")
        assert (job.trace_id, job.parent_id) == (PARENT.split("-")[1], PARENT.split("-")[2])
        assert (job.service, job.attributes["penstock.rows"]) == ("penstock-exporter", 12)
        assert {span.parent_id for span in received.spans if span is not job} == {job.span_id}
        assert [span.name for span in received.spans] == ["connect", "inner", "read", "exporter"]
        figures = {name: (value, attributes) for name, value, attributes in received.metrics}
        assert figures["penstock.rows"] == (12, JOB)
        assert figures["penstock.bytes"] == (900, JOB)
        assert figures["penstock.day.rows"] == (3, {"penstock.pipeline": "p", "penstock.stage": "loaded"})
        assert figures["penstock.wait"] == (1.5, {"penstock.pipeline": "p", "penstock.reason": "pause_switch"})
        assert figures["penstock.lag"] == (60.0, {"penstock.pipeline": "p"})


def fail_inside(environ: dict[str, str]) -> None:
    with open_span(environ, "penstock-loader", "loader", JOB) as span:
        span.begin_phase("load")
        span.note({"said": "the password is canary-4711"})
        raise InputError("It is not canary-4711.", why="canary-4711")


def test_an_error_is_its_sentence_without_a_secret_and_goes_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    remember_secret("canary-4711")
    with http_receiver() as received:
        environ = traced(monkeypatch, received, "http/protobuf")
        with pytest.raises(InputError):
            fail_inside(environ)
        assert {span.error for span in received.spans} == {"It is not …."}
        assert received.named("loader")[0].attributes["penstock.exit_code"] == 10
        assert not [body for body in received.bodies if b"canary" in body]


def test_a_collector_that_is_away_is_a_warning_and_nothing_more(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = traced(monkeypatch, Received(address="http://127.0.0.1:1"), "http/protobuf")
    del environ["OTEL_BSP_EXPORT_TIMEOUT"]
    with open_span(environ, "penstock-loader", "loader", JOB):
        pass
    assert capfd.readouterr().err.count("warning: traces or metrics were not sent") == 1


@pytest.mark.parametrize(
    ("variable", "value"), [("OTEL_EXPORTER_OTLP_PROTOCOL", "pigeon"), ("OTEL_TRACES_EXPORTER", "zipkin")]
)
def test_a_setting_that_is_not_known_is_a_warning(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    environ = traced(monkeypatch, Received(address="http://127.0.0.1:1"), "http/protobuf") | {variable: value}
    with open_span(environ, "penstock-loader", "loader", JOB) as span:
        assert span is NO_SPAN
    assert value in capfd.readouterr().err


def test_where_the_extra_is_missing_the_job_runs_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "staging.telemetry.otel")
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with open_span({"PENSTOCK_OTEL": "1"}, "penstock-loader", "loader", JOB) as span:
        assert span is NO_SPAN
    assert "the extra `otel`" in capfd.readouterr().err


@pytest.mark.integration
def test_where_nobody_asks_nothing_of_it_is_imported() -> None:
    """Of the SDK, that is: Google's client imports OpenTelemetry's API by itself."""
    code = (
        "import sys; from staging.telemetry.open import open_span; import processor.run_task, chain.day.open_run\n"
        "with open_span({}, 'a', 'b', {}) as span: span.begin_phase('read'); assert span.environment() == {}\n"
        "print([name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_a_job_elsewhere_gets_no_header_and_no_address_with_a_password(monkeypatch: pytest.MonkeyPatch) -> None:
    with http_receiver() as received:
        environ = traced(monkeypatch, received, "http/protobuf")
        told = environ | {
            "OTEL_EXPORTER_OTLP_HEADERS": "authorization=canary",
            "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/canary",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://user:canary@collector",
            "OTEL_RESOURCE_ATTRIBUTES": "team=shop",
        }
        with open_span(environ, "penstock-chain", "day", JOB) as span:
            planned = plan_job_environment(told, span)
        assert "canary" not in str(planned)
        assert planned.keys() == {*environ, "OTEL_RESOURCE_ATTRIBUTES", "TRACEPARENT"}
        assert plan_job_environment(told, NO_SPAN) == {}
