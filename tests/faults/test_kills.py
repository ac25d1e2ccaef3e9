"""Whoever is killed at whatever moment, however often: each day comes out right, once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.seeds import seeds_of

pytestmark = pytest.mark.integration

CHECKOUT = Path(__file__).parents[2]
EVERYWHERE = ["sqlite", "postgres", "mariadb", "mysql"]
_ENOUGH = {"sqlite": 4000, "postgres": 2500, "mariadb": 2000, "mysql": 1500}


def kill(url: str, folder: Path, seeds: range, *, kills: int) -> dict[str, Any]:
    """Return the last tally of that many kills; what it prints is passed on."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.kill_days", url, folder, *map(str, (seeds.start, seeds.stop, kills))],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as killer:
        assert killer.stdout is not None
        assert killer.stderr is not None
        last = "{}"
        for last in killer.stdout:
            print(last, end="", flush=True)
        told = killer.stderr.read()
    assert killer.returncode == 0, told
    found: dict[str, Any] = json.loads(last)
    return found


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
@pytest.mark.fault("killed", step=("export", "process", "load", "chain"))
@pytest.mark.fault("raced", step=("export", "load", "chain"))
def test_a_day_whose_chain_and_jobs_are_killed_again_and_again_comes_out_right(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    found = kill(request.getfixturevalue(f"{database}_database"), tmp_path, range(1, 100), kills=20)
    assert sum(found["killed"].values()) >= 20


@pytest.mark.nightly
@pytest.mark.parametrize("database", EVERYWHERE)
@pytest.mark.fault("killed", step=("export", "process", "load", "chain"))
@pytest.mark.fault("raced", step=("export", "load", "chain"))
def test_days_whose_chain_and_jobs_are_killed_thousands_of_times_come_out_right(
    request: pytest.FixtureRequest, tmp_path: Path, database: str
) -> None:
    seeds = seeds_of(range(1_000, 9_000))
    found = kill(request.getfixturevalue(f"{database}_database"), tmp_path, seeds, kills=_ENOUGH[database])
    assert set(found["when"]) >= {"before the export", "exported", "half processed", "processed", "loaded"}
