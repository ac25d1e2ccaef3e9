"""Many rows and many tasks through the chain, on an emulator as a process of its own: done, and memory stays flat."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from chain.demo.rows import Shop
from jobs_emulator.records import AttemptRecord
from tests.chain.jobs.cloudrun.cloud_day import DAY, STEPS, CloudDay, cloud_day, make_shop

pytestmark = [pytest.mark.integration, pytest.mark.serial]

MIB = 2**20
CLOUD_RUNS_DEFAULT_MIB = 512  # what a task gets where nobody says more


class Peaks:
    """The most memory that processes have used, in MiB, while they are watched."""

    def __init__(self) -> None:
        self.chain_mib = 0.0
        self.emulator_mib = 0.0

    @contextmanager
    def watched(self, chain_pid: int, emulator_pid: int) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.2):
                self.chain_mib = max(self.chain_mib, _peak_mib(chain_pid))
                self.emulator_mib = max(self.emulator_mib, _peak_mib(emulator_pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()


def _peak_mib(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:")), 0.0)


def run_watched(day: CloudDay) -> Peaks:
    """Bring the day to done; Revenue is what the oracle says."""
    day.go()
    peaks, run = Peaks(), day.begin()
    with peaks.watched(run.pid, day.emulator.pid):
        code, stdout, stderr = day.finish(run, seconds=3600)
    assert code == 0, stderr
    day.check_done(stdout)
    assert day.counts() == dict.fromkeys(STEPS, 1)
    return peaks


def attempts_mib(day: CloudDay) -> list[float]:
    """The most memory each attempt has used, as the emulator's watchdog saw it."""
    with closing(sqlite3.connect(day.emulator.folder / "data" / "state.sqlite3")) as state:
        rows = state.execute("SELECT attempts FROM tasks").fetchall()
    return [AttemptRecord(*attempt).peak_rss_bytes / MIB for (attempts,) in rows for attempt in json.loads(attempts)]


@pytest.mark.nightly
def test_a_million_purchases_of_a_hundred_thousand_users_in_64_tasks_two_at_once_need_no_more_memory_than_a_small_day(
    tmp_path: Path,
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.mkdir()
    large.mkdir()
    with cloud_day(make_shop(tmp_path, Shop(1, 40, 1500)), small, python=sys.executable) as day:
        of_small = run_watched(day)
    shop = large / "made"
    shop.mkdir()
    file = make_shop(shop, Shop(1, 100_000, 1_000_000))
    with closing(sqlite3.connect(file)) as connection, connection:  # all of them on one day
        connection.execute("UPDATE purchases SET purchased_at = ? || substr(purchased_at, 11)", (DAY,))
    with cloud_day(file, large, shards=64, python=sys.executable) as day:
        day.settings.append("process.parallelism=2")
        of_large = run_watched(day)
        print(f"chain {of_small.chain_mib:.0f} -> {of_large.chain_mib:.0f} MiB")
        print(f"emulator {of_small.emulator_mib:.0f} -> {of_large.emulator_mib:.0f} MiB")
        print(f"attempts at most {max(attempts_mib(day)):.0f} MiB")
        assert len(day.revenue()) > 90_000
        [processor] = day.executions()["processor"]
        assert (processor.task_count, processor.parallelism, processor.succeeded_count) == (64, 2, 64)
        assert of_large.chain_mib < 1.25 * of_small.chain_mib
        assert of_large.emulator_mib < 1.25 * of_small.emulator_mib
        assert max(attempts_mib(day)) < CLOUD_RUNS_DEFAULT_MIB


@pytest.mark.nightly
def test_a_thousand_tasks_over_a_thousand_shards_of_a_small_day(tmp_path: Path) -> None:
    file = make_shop(tmp_path, Shop(1, 3_000, 100_000))
    folder = tmp_path / "day"
    folder.mkdir()
    with cloud_day(file, folder, shards=1000, python=sys.executable) as day:
        peaks = run_watched(day)
        print(f"chain {peaks.chain_mib:.0f} MiB, emulator {peaks.emulator_mib:.0f} MiB")
        [processor] = day.executions()["processor"]
        assert (processor.task_count, processor.succeeded_count, processor.retried_count) == (1000, 1000, 0)
        assert len(day.receipts()) == 1000
        assert peaks.emulator_mib < 200
