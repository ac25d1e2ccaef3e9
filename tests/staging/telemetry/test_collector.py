"""The OpenTelemetry Collector itself takes what is sent, over HTTP and over gRPC, and hands on all of it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clients.build import build_collector
from tests.servers.missing import skip_or_fail
from tests.servers.programs import ServerMissingError
from tests.staging.telemetry.otlp import Received, http_receiver

pytestmark = [
    pytest.mark.integration,
    pytest.mark.nightly,  # the collector is built of some hundred Go packages: minutes, once
    pytest.mark.may_skip(reason="needs Go, and its modules"),
]
CONFIG = """
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:{grpc}"}}, http: {{endpoint: "127.0.0.1:{http}"}}}}}}}}
exporters: {{otlphttp: {{endpoint: "{onward}", compression: none, sending_queue: {{enabled: false}}}}}}
service:
  telemetry: {{metrics: {{level: none}}, logs: {{level: error}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlphttp]}}
    metrics: {{receivers: [otlp], exporters: [otlphttp]}}
"""
JOB = """
import os
from staging.telemetry.open import open_span
with open_span(os.environ, "penstock-loader", "loader", {"penstock.pipeline": "p", "penstock.job": "loader"}) as span:
    span.begin_phase("load")
    span.count(7, 70)
"""


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def collector(onward: Received, folder: Path) -> Iterator[tuple[int, int]]:
    """Run the collector; yield its ports for HTTP and for gRPC."""
    try:
        program = build_collector()
    except ServerMissingError as error:
        skip_or_fail(error)
    http, grpc = free_port(), free_port()
    (folder / "config.yaml").write_text(CONFIG.format(grpc=grpc, http=http, onward=onward.address))
    with subprocess.Popen([program, "--config", f"file:{folder}/config.yaml"], stderr=subprocess.PIPE) as process:
        try:
            while not answers(f"http://127.0.0.1:{http}/"):
                assert process.poll() is None, process.stderr and process.stderr.read()
                time.sleep(0.05)
            yield http, grpc
        finally:
            process.terminate()


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False
    return True


@pytest.mark.parametrize("protocol", ["http/protobuf", "grpc"])
def test_a_collector_takes_spans_and_metrics_and_hands_them_on(protocol: str, tmp_path: Path) -> None:
    with http_receiver() as received, collector(received, tmp_path) as (http, grpc):
        environ = os.environ | {
            "PENSTOCK_OTEL": "1",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{http if protocol != 'grpc' else grpc}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
            "OTEL_BSP_EXPORT_TIMEOUT": "60000",
        }
        done = subprocess.run([sys.executable, "-c", JOB], env=environ, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert {span.name for span in received.spans} == {"loader", "load"}
    assert [value for name, value, _ in received.metrics if name == "penstock.rows"] == [7]
