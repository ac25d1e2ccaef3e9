"""`penstock-jobs-emulator`: serve and logs, as a person runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.jobs_emulator.harness import SOON, Cloud, cloud, wait_until
from tests.warm import warm_python

pytestmark = pytest.mark.integration

COMMAND = [sys.executable, "-m", "jobs_emulator"]
TABLE = '[images.sh]\nentrypoint = ["/bin/sh", "-c"]\n[images.true]\nentrypoint = ["/bin/true"]\n'


@contextmanager
def served(tmp_path: Path, *options: str) -> Iterator[tuple[Cloud, subprocess.Popen[str]]]:
    (tmp_path / "images.toml").write_text(TABLE)
    command = [*COMMAND, "serve", "--images", str(tmp_path / "images.toml"), "--port", "0", *options]
    process = subprocess.Popen(command, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        match = re.search(r"127\.0\.0\.1:\d+", first_line(process.stderr.fileno()))
        assert match is not None
        clients = Cloud(match[0])
        yield clients, process
        clients.close()
    finally:
        process.terminate()
        process.communicate(timeout=20)


def first_line(stream: int) -> str:
    """Read one line and no byte more: what a buffered `readline` takes besides, `communicate` never sees."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(stream, 1)):
        line += byte
    return line.decode()


def logs(address: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "RUN_EMULATOR_HOST": address}
    return subprocess.run(
        [warm_python(), "-m", "jobs_emulator", "logs", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment,
    )


def refused(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [warm_python(), "-m", "jobs_emulator", *arguments], capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode, done.stderr


def test_serve_writes_log_entries_on_stdout_and_talk_on_stderr(tmp_path: Path) -> None:
    with served(tmp_path) as (region, process):
        region.create("talk", 'echo hello; echo \'{"severity": "ERROR", "message": "no"}\' >&2')
        region.run("talk").result(polling=SOON)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
    entries = [json.loads(line) for line in out.splitlines()]
    assert {entry.get("textPayload") or entry["jsonPayload"]["message"] for entry in entries} == {
        "hello",
        "no",
        "Container called exit(0).",
    }
    assert {entry["resource"]["labels"]["job_name"] for entry in entries} == {"talk"}
    assert "ERROR" in {entry["severity"] for entry in entries}
    assert "RUN_EMULATOR_HOST=127.0.0.1:" in err
    assert process.returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_with_all_its_tasks(tmp_path: Path, number: signal.Signals) -> None:
    with served(tmp_path, "--grace", "60") as (region, process):
        region.create("deaf", f"trap '' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done")
        region.run("deaf")
        wait_until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it runs")
        process.send_signal(number)
        process.communicate(timeout=5)
        assert process.returncode == 0
    pid = (tmp_path / "pid").read_text().strip()
    wait_until(lambda: not Path(f"/proc/{pid}/exe").exists(), "the task has ended")


def test_a_reader_that_goes_away_does_not_stop_it(tmp_path: Path) -> None:
    with served(tmp_path) as (region, process):
        assert process.stdout is not None
        process.stdout.close()
        region.create("talk", "echo hello", task_count=20)
        assert region.run("talk").result(polling=SOON).succeeded_count == 20
        assert region.run("talk").result(polling=SOON).succeeded_count == 20
        process.stdout = None


def test_logs_of_all_attempts_or_of_one_are_printed(tmp_path: Path) -> None:
    with cloud() as region:
        script = 'echo "task $CLOUD_RUN_TASK_INDEX attempt $CLOUD_RUN_TASK_ATTEMPT"; [ $CLOUD_RUN_TASK_ATTEMPT = 1 ]'
        region.create("talk", script, task_count=2, max_retries=1)
        execution = region.run("talk").result(polling=SOON)
        short = execution.name.rpartition("/")[2]
        everything = logs(region.address, short)
        assert everything.stdout == "task 0 attempt 0\ntask 0 attempt 1\ntask 1 attempt 0\ntask 1 attempt 1\n"
        assert everything.stderr.count("──") == 4
        assert logs(region.address, execution.name, "--task", "1", "--attempt", "0").stdout == "task 1 attempt 0\n"
        missing = logs(region.address, "nix")
        assert (missing.returncode, missing.stdout) == (10, "")
        assert "There is no execution 'nix'" in missing.stderr
    gone = logs(region.address, short)
    assert gone.returncode == 10
    assert "No emulator answers" in gone.stderr


def test_logs_are_followed_to_the_end_of_the_execution(tmp_path: Path) -> None:
    with cloud() as region:
        region.create("slow", f"echo one; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; printf two")
        operation = region.run("slow")
        command = [*COMMAND, "logs", operation.metadata.name, "--follow", "--address", region.address]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "one\n"
            (tmp_path / "go").touch()
            assert process.stdout.read() == "two"
        assert process.returncode == 0


def test_a_wrong_table_switch_or_port_is_told_in_a_sentence(tmp_path: Path) -> None:
    table = tmp_path / "images.toml"
    table.write_text("[images.a]\nshell = true\n")
    code, told = refused("serve", "--images", str(table))
    assert (code, "unknown key 'shell'" in told, "Traceback" in told) == (10, True, False)
    table.write_text(TABLE)
    code, told = refused("serve", "--images", str(table), "--chaos-unavailable-rate", "7")
    assert (code, "unavailable_rate: must be from 0 to 1" in told) == (10, True)
    code, told = refused("serve", "--images", str(table), "--chaos-kill", "nix")
    assert (code, "write TASK@SECONDS" in told) == (10, True)
    code, told = refused("serve", "--images", str(tmp_path / "missing.toml"))
    assert (code, "missing.toml" in told, "Traceback" in told) == (20, True, False)
    with cloud() as region:
        port = region.address.partition(":")[2]
        code, told = refused("serve", "--images", str(table), "--port", port)
    assert (code, f"127.0.0.1:{port}" in told, "Traceback" in told) == (20, True, False)


def test_chaos_by_options_is_the_same_as_by_json(tmp_path: Path) -> None:
    options = ["--chaos-kill", "1@0.1", "--chaos-start-twice", "0", "--chaos", '{"report_late_seconds": 0.1}']
    with served(tmp_path, *options) as (region, _):
        region.create("job", f"echo x >> {tmp_path}/$CLOUD_RUN_TASK_INDEX; sleep 0.4", task_count=2, max_retries=1)
        execution = region.run("job").result(polling=SOON)
        assert [task.retried for task in region.tasks_of(execution)] == [0, 1]
        assert (tmp_path / "0").read_text() == "x\nx\n"
