"""Whole days by `penstock run` on an emulator that is a process of its own, while things go wrong."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from google.cloud import run_v2

import jobs_emulator
from chain.demo_pipeline import write_demo_pipeline
from chain.demo_rows import Shop
from chain.demo_shop import fill_shop
from tests.integration.cloudrun_harness import EmulatorProcess, emulator_process, wait_until

DAY = "2026-10-25"
PARENT = "projects/acme/locations/europe-west1"
# Tasks wait for a file, so that the test does something meanwhile; each attempt leaves a line.
TRANSFORM = """\
import os, time
from pathlib import Path
from processor.revenue import apply, contract
from processor.transform import Transform

def waiting(rows, day):
    with open(HERE / "attempts", "a") as attempts: attempts.write(os.environ["CLOUD_RUN_TASK_INDEX"] + "\\n")
    while not (HERE / "go").exists(): time.sleep(0.05)
    return apply(rows, day)

HERE = Path(__file__).parent
chosen = Transform(contract=contract, apply=waiting)
"""


class CloudDay:
    """A small shop, an emulator that has the jobs' images, and the command that runs the day on it."""

    def __init__(self, folder: Path, emulator: EmulatorProcess) -> None:
        self.folder = folder
        self.emulator = emulator
        self._process: subprocess.Popen[str] | None = None

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "chain", "run", "--config", str(self.folder / "shop.toml"), "--day", DAY]
        command += ["--set", "process.transform=own_transform:chosen", "--set", "source.url=env:SHOP_URL"]
        command += ["--set", "cloud.secrets=SHOP_URL=shop-url", "--set", "cloud.project=acme"]
        command += ["--set", "cloud.region=europe-west1", "--json", *arguments]
        environment = dict(os.environ) | {"RUN_EMULATOR_HOST": self.emulator.address}
        with (self.folder / "stdout").open("w") as stdout, (self.folder / "stderr").open("w") as stderr:
            self._process = subprocess.Popen(
                command, env=environment, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL, text=True
            )
        return self._process

    def finish(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        code = process.wait(timeout=120)
        return code, (self.folder / "stdout").read_text(), (self.folder / "stderr").read_text()

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def go(self) -> None:
        (self.folder / "go").touch()

    def attempts(self) -> list[str]:
        path = self.folder / "attempts"
        return path.read_text().split() if path.exists() else []

    def wait_for_tasks(self, run: subprocess.Popen[str]) -> None:
        """Until both tasks of the processor are under way."""
        wait_until(lambda: len(self.attempts()) == 2 or run.poll() is not None)
        assert run.poll() is None, (self.folder / "stderr").read_text()

    def revenue(self) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.folder / "shop.db")) as connection:
            return connection.execute("SELECT * FROM revenue WHERE day = ? ORDER BY user_id", (DAY,)).fetchall()

    def executions(self) -> dict[str, list[run_v2.Execution]]:
        """By step, newest first."""
        with jobs_emulator.executions_client(self.emulator.address) as client:
            found = list(client.list_executions(parent=f"{PARENT}/jobs/-"))
        return {
            step: [each for each in found if each.labels["penstock-step"] == step]
            for step in ("exporter", "processor", "loader")
        }


def image(module: str, folder: Path) -> str:
    entrypoint = json.dumps([sys.executable, "-m", module])
    return f'[images.penstock-{module}]\nentrypoint = {entrypoint}\ncwd = "{folder}"\n'


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    fill_shop(f"sqlite:///{folder}/shop.db", Shop(1, 40, 1500), replace=False, say=lambda _: None)
    return folder / "shop.db"


@pytest.fixture
def day(shop: Path, tmp_path: Path) -> Iterator[CloudDay]:
    (tmp_path / "shop.db").write_bytes(shop.read_bytes())
    (tmp_path / "staging").mkdir()
    (tmp_path / "own_transform.py").write_text(TRANSFORM)
    url = f"sqlite:///{tmp_path}/shop.db"
    write_demo_pipeline(tmp_path / "shop.toml", url=url, staging=(tmp_path / "staging").as_uri(), shards=2)
    init = [sys.executable, "-m", "chain", "init", "--config", str(tmp_path / "shop.toml")]
    subprocess.run(init, check=True, capture_output=True)
    table = "".join(image(module, tmp_path) for module in ("exporter", "processor", "loader"))
    table += f'[secrets]\nshop-url = "value:{url}"\n'
    with emulator_process(tmp_path, table, "--slots", "2", "--grace", "2") as emulator:
        made = CloudDay(tmp_path, emulator)
        yield made
        made.end()


def test_a_day_is_done_though_every_call_fails_once_each_reply_is_lost_and_a_task_is_killed(day: CloudDay) -> None:
    day.emulator.chaos(unavailable_first=1, lost_run_replies=3, kill_tasks=[{"task": 1, "after_seconds": 0.1}])
    day.go()
    code, stdout, stderr = day.finish(day.begin())
    assert code == 0, stderr
    report = json.loads(stdout)
    assert report["status"] == "done"
    assert report["rows_loaded"] == len(day.revenue()) > 0
    day.emulator.chaos(unavailable_first=0, lost_run_replies=0)
    assert {step: len(found) for step, found in day.executions().items()} == dict.fromkeys(day.executions(), 1)
    for found in day.executions().values():
        told = {variable.name: variable for variable in found[0].template.containers[0].env}
        assert told["PENSTOCK_RUN_ID"].value == report["run_id"]
        secret = told["SHOP_URL"].value_source.secret_key_ref.secret if "SHOP_URL" in told else ""
        assert secret == ("shop-url" if told["PENSTOCK_STEP"].value == "exporter" else "")
    assert day.executions()["processor"][0].retried_count == 1


def test_an_emulator_that_is_killed_and_started_again_goes_on_with_the_day(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    day.emulator.end(signal.SIGKILL)
    day.go()
    day.emulator.start()
    code, stdout, stderr = day.finish(run)
    assert code == 0, stderr
    assert json.loads(stdout)["rows_loaded"] == len(day.revenue()) > 0
    assert {step: len(found) for step, found in day.executions().items()} == dict.fromkeys(day.executions(), 1)


def test_a_day_cancelled_from_outside_ends_with_20_and_the_same_command_brings_it_to_done(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    with jobs_emulator.executions_client(day.emulator.address) as client:
        client.cancel_execution(name=day.executions()["processor"][0].name)
    code, stdout, stderr = day.finish(run)
    assert (code, stdout) == (20, "")
    assert "The processor was cancelled" in stderr
    assert day.revenue() == []
    day.go()
    code, stdout, stderr = day.finish(day.begin())
    assert code == 0, stderr
    assert json.loads(stdout)["rows_loaded"] == len(day.revenue()) > 0


def test_ctrl_c_cancels_what_runs_on_the_emulator(day: CloudDay) -> None:
    run = day.begin()
    day.wait_for_tasks(run)
    run.send_signal(signal.SIGINT)
    code, stdout, stderr = day.finish(run)
    assert (code, stdout) == (20, ""), stderr
    [execution] = day.executions()["processor"]
    assert execution.cancelled_count == 2
    assert day.revenue() == []


def test_an_error_of_a_job_is_told_in_its_own_words_with_where_its_log_is(day: CloudDay) -> None:
    code, _, stderr = day.finish(day.begin("--set", "source.table=nowhere"))
    assert code == 10
    assert "exporter: " in stderr
    assert "nowhere" in stderr
    address = stderr.rpartition("log: ")[2].strip()
    assert address.startswith(f"http://{day.emulator.address}/_emulator/log?execution=daily-revenue-exporter-")


def test_an_emulator_that_is_not_there_is_named(day: CloudDay) -> None:
    day.emulator.end()
    code, _, stderr = day.finish(day.begin())
    assert code == 20
    assert f"RUN_EMULATOR_HOST says {day.emulator.address}" in stderr


def test_a_password_in_the_file_does_not_travel_to_an_emulator_of_its_own(day: CloudDay) -> None:
    code, stdout, stderr = day.finish(day.begin("--set", "target.url=postgresql://u:hunter2@127.0.0.1:1/d"))
    assert (code, stdout) == (10, "")
    assert "target.url holds a password" in stderr
    assert "hunter2" not in stderr
    assert not any(day.executions().values())
