"""Real processes ended by real signals, wherever they are: no receipt stands for what was not finished, and a
second attempt makes it right."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from processor.task import Task
from tests.processor.runs import Runs, end
from tests.processor.test_contract import answer
from tests.shop.hand_made_export import PREFIX, RUN_ID, HandMade, expected_revenue, purchases, put_in_folder

pytestmark = pytest.mark.integration

ROWS = purchases(4000, users=600)
SHARDS = 5
ENDS_WITHIN_SECONDS = 5.0
# The engine in one long native call, which no Python code can interrupt; and Python code that waits in its thread.
NATIVE = """
def long(frame):
    open(MARK, "w").close()
    many = pl.DataFrame({"n": range(60_000)}).lazy()
    many.join(many, how="cross").select((pl.col("n") * pl.col("n_right")).hash().sum()).collect()
    return frame
"""
WAITING = """
import time
def long(frame):
    open(MARK, "w").close()
    for _ in range(600):
        time.sleep(0.1)
    return frame
"""


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path)
    HandMade(put_in_folder(runs.stored()), ROWS, shards=SHARDS).commit()
    return runs


def wait_for(path: Path, task: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert task.poll() is None, task.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("function", [NATIVE, WAITING], ids=["in native code", "in python"])
def test_a_signal_ends_a_task_in_time_and_nothing_counts(
    runs: Runs, tmp_path: Path, number: signal.Signals, function: str
) -> None:
    mark = tmp_path / "in-the-middle"
    runs.module(f"MARK = {str(mark)!r}\n{function}\n" + answer("grouped(rows.map_batches(long))"))
    scratch = tmp_path / "temporary"
    scratch.mkdir()
    task = runs.command(environ={"TMPDIR": str(scratch)})
    wait_for(mark, task)
    began = time.monotonic()
    task.send_signal(number)
    ended = end(task)
    assert time.monotonic() - began < ENDS_WITHIN_SECONDS  # a promise, and not how fast it is
    assert ended.code == 20, ended
    assert "Stopped on request" in ended.told
    assert "run the same command again" in ended.told
    assert runs.written() == {}
    assert list(scratch.iterdir()) == []


@pytest.mark.fault("killed", step="process")
def test_a_task_killed_at_random_moments_is_made_right_by_the_next_attempt(runs: Runs) -> None:
    draw = random.Random(11)
    whole = Runs((runs.folder / "undisturbed").as_uri(), runs.folder)
    HandMade(put_in_folder(whole.stored()), ROWS, shards=SHARDS).commit()
    whole.process()
    killed = 0
    slow = {"POLARS_MAX_THREADS": "1"}
    for attempt in range(8):
        task = runs.command(attempt=attempt, environ=slow)
        assert task.stderr is not None
        while task.poll() is None and "begins" not in (task.stderr.readline() or "begins"):
            pass
        time.sleep(draw.uniform(0, 0.08))
        task.send_signal(signal.SIGKILL)
        killed += end(task).code == -signal.SIGKILL
        for shard in range(SHARDS):
            if f"receipt-{shard:05d}.json" in runs.written():
                part = runs.receipt(shard)["part"]
                assert part["size_bytes"] == len(runs.written()[f"part-{shard:05d}.parquet"])
    assert killed
    assert runs.run_command(0, 1, 9).code == 0
    assert runs.revenue() == expected_revenue(ROWS)
    parts = [{n: d for n, d in each.written().items() if n.startswith("part")} for each in (runs, whole)]
    assert parts[0] == parts[1]


@pytest.mark.fault("frozen", step="process")
def test_a_frozen_attempt_that_wakes_up_late_changes_nothing(runs: Runs) -> None:
    frozen = runs.command(0, 1, 0)
    assert frozen.stderr is not None
    frozen.stderr.readline()  # it has begun
    frozen.send_signal(signal.SIGSTOP)
    runs.process(Task(0, 1, 1))
    before = {path: path.stat().st_mtime_ns for path in (runs.stored() / f"{PREFIX}run={RUN_ID}").iterdir()}
    frozen.send_signal(signal.SIGCONT)
    assert end(frozen).code == 0
    assert before == {path: path.stat().st_mtime_ns for path in (runs.stored() / f"{PREFIX}run={RUN_ID}").iterdir()}
    assert runs.revenue() == expected_revenue(ROWS)
