"""A day is one trace: over the chain, its jobs, their tasks and their phases, whatever became of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from chain.demo.pipeline import write_demo_pipeline
from chain.demo.rows import Shop
from chain.demo.shop import fill_shop
from tests.staging.telemetry.otlp import Received, http_receiver
from tests.warm import warm_python

pytestmark = pytest.mark.integration
CANARY = "canary-8839"


def penstock(
    folder: Path, received: Received, *arguments: str, more: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {
        "PENSTOCK_OTEL": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": received.address,
        "OTEL_BSP_EXPORT_TIMEOUT": "60000",
        "OTEL_EXPORTER_OTLP_HEADERS": f"authorization={CANARY}",
    }
    command = [warm_python(), "-m", "chain", *arguments, "--config", str(folder / "shop.toml"), "--day", "2026-10-25"]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environ | more, check=False)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    url = f"sqlite:///{tmp_path}/shop.db"
    fill_shop(url, Shop(1, 30, 900), replace=False, say=lambda _: None)
    write_demo_pipeline(tmp_path / "shop.toml", url=url, staging=(tmp_path / "s").as_uri(), shards=2)
    return tmp_path


def test_a_day_is_one_trace_with_every_task_and_phase(shop: Path) -> None:
    with http_receiver() as received:
        init = [warm_python(), "-m", "chain", "init", "--config", str(shop / "shop.toml")]
        subprocess.run(init, check=True, capture_output=True)
        done = penstock(shop, received, "run", "--logs", str(shop / "logs"), more={})
        assert done.returncode == 0, done.stderr
    assert len({span.trace_id for span in received.spans}) == 1
    [day] = received.named("daily_revenue day")
    started = {name: received.named(f"run {name}")[0] for name in ("exporter", "processor", "loader")}
    assert {span.parent_id for span in started.values()} == {day.span_id}
    for name, count in (("exporter", 1), ("processor", 2), ("loader", 1)):
        attempts = received.named(name)
        assert len(attempts) == count
        assert {span.parent_id for span in attempts} == {started[name].span_id}
        assert {span.attributes["penstock.run_id"] for span in attempts} == {day.attributes["penstock.run_id"]}
        phases = {span.name for span in received.spans if span.parent_id in {each.span_id for each in attempts}}
        assert phases >= {"exporter": {"connect", "plan", "read", "commit"}, "processor": {"process"},
                          "loader": {"connect", "load", "commit"}}[name]  # fmt: skip
    assert {span.attributes["penstock.task"] for span in received.named("processor")} == {"0", "1"}
    stages = {labels["penstock.stage"]: rows for name, rows, labels in received.metrics if name == "penstock.day.rows"}
    assert stages["exported"] == sum(span.attributes["penstock.rows"] for span in received.named("processor"))
    assert stages["loaded"] == received.named("loader")[0].attributes["penstock.rows"] > 0
    assert not [body for body in received.bodies if CANARY.encode() in body]
    assert {header["authorization"] for header in received.headers} == {CANARY}


def test_a_failed_job_is_an_error_in_the_trace_and_no_password_is_in_it(shop: Path) -> None:
    config = shop / "shop.toml"
    config.write_text(config.read_text().replace(f"sqlite:///{shop}/shop.db", "env:SHOP_URL", 1))
    away = f"postgresql+psycopg://ada:{CANARY}@127.0.0.1:1/shop"
    with http_receiver() as received:
        done = penstock(shop, received, "run", "--logs", str(shop / "logs"), more={"SHOP_URL": away})
        assert done.returncode == 20
    assert received.named("exporter")[0].error
    assert received.named("daily_revenue day")[0].error
    assert received.named("exporter")[0].attributes["penstock.exit_code"] == 20
    assert not [body for body in received.bodies if CANARY.encode() in body]
