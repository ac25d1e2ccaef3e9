"""An exporter, reading in slices, that is killed at a moment of a seed; then the same run once more."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from tests.exporter.days import Export, run_export
from tests.exporter.sliced_reads import sliced_pipeline
from tests.warm import warm_python

_ORPHAN_SECONDS = 5.0


def kill_and_run_again(url: str, folder: Path, seed: int, count_sessions: Callable[[], int]) -> Export:
    """Return what the second attempt left; `count_sessions` says how many of ours the server has.

    AssertionError when one outlives its process.
    """
    (folder / "stage").mkdir(parents=True)
    process = _start(url, folder, f"run-{seed}")
    while process.poll() is None and not count_sessions():
        time.sleep(0.01)
    time.sleep(random.Random(seed).uniform(0, 0.6))
    process.kill()
    process.communicate()
    deadline = time.monotonic() + _ORPHAN_SECONDS
    while (left := count_sessions()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == 0, "a query of ours runs on"
    return run_export(sliced_pipeline(url, folder / "stage"), run_id=f"run-{seed}")


def _start(url: str, folder: Path, run_id: str) -> subprocess.Popen[str]:
    config = folder / "pipeline.toml"
    config.write_text(
        'name = "daily_revenue"\n[source]\nurl = "env:SHOP_URL"\ntable = "purchases"\nkey = "user_id"\n'
        'time = "purchased_at"\ncolumns = ["amount"]\ntimezone = "Europe/Berlin"\n'
        f'[staging]\nurl = "file://{folder / "stage"}"\n'
        '[export]\nread = "slices"\nshards = 3\n[pacing]\nnice = 30\n'
        '[target]\nurl = "sqlite:///target.db"\ntable = "revenue"\n',
        encoding="utf-8",
    )
    return subprocess.Popen(
        [warm_python(), "-m", "exporter", "--config", str(config), "--day", "2026-11-14", "--run-id", run_id],
        env={**os.environ, "SHOP_URL": url, "PENSTOCK_PROGRESS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )
