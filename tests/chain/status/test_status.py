"""`penstock status` of real runs: in a folder, and in a bucket with the jobs on an emulator of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.chain.jobs.cloudrun.cloud_day import DAY as CLOUD_DAY
from tests.chain.jobs.cloudrun.cloud_day import CloudDay, cloud_day
from tests.chain.jobs.cloudrun.harness import wait_until
from tests.chain.range.small_range import SHORT_LEASE, SmallRange
from tests.warm import warm_python

pytestmark = pytest.mark.integration

DAY, NEXT = "2026-10-25", "2026-10-26"


@pytest.fixture
def bucket_day(made: Path, tmp_path: Path, gcs_bucket: str) -> Iterator[CloudDay]:
    """A day whose staging is a bucket and whose jobs run on an emulator that is a process of its own."""
    with cloud_day(made, tmp_path, staging=f"{gcs_bucket}/days") as found:
        found.settings.append("chain.lease_seconds=5")
        yield found


def test_each_stage_of_a_day_is_told_from_the_bucket_alone(shop: SmallRange) -> None:
    assert shop.status("--day", DAY)[DAY] | {"day": ""} == {
        **dict.fromkeys(shop.status("--day", DAY)[DAY]),
        "day": "",
        "stage": "never run",
        "at_rest": True,
        "runs": 0,
    }
    watching = None
    with shop.waiting(DAY):
        running = shop.begin("run", "--day", DAY, python=sys.executable)
        wait_until(lambda: DAY in shop.attempts())
        status = shop.status("--from", DAY, "--to", NEXT)[DAY]
        assert (status["stage"], status["at_rest"], status["runs"]) == ("processing", False, 1)
        assert (status["tasks"], status["tasks_done"], status["tasks_running"]) == (1, 0, None)
        assert re.fullmatch(r".+@.+, process \d+", status["holder"])
        assert str(running.pid) in status["holder"]
        watching = shop.begin("status", "--from", DAY, "--to", NEXT, "--watch")
        assert watching.stdout is not None
        first = [watching.stdout.readline(), watching.stdout.readline()]
    running.communicate(timeout=60)
    lines = [*first, *watching.communicate(timeout=60)[0].splitlines(keepends=True)]
    assert watching.returncode == 0  # all days are at rest
    assert re.match(rf"{DAY}  processing  0 of 1 task done; held by ", lines[0])
    assert lines[1] == f"{NEXT}  never run\n"
    assert re.fullmatch(rf"{DAY}  loaded      {len(shop.expected(DAY))} rows, .* UTC\n", lines[-1])

    (shop.folder / "shop.db").rename(shop.folder / "away.db")  # no database is asked
    status = shop.status("--day", DAY)[DAY]
    assert (status["stage"], status["at_rest"], status["holder"]) == ("loaded", True, None)
    assert status["rows"] > 0


def test_a_day_that_failed_says_why_and_where_its_log_is_until_it_is_loaded(shop: SmallRange) -> None:
    shop.faults(DAY)
    ended = shop.penstock("run", "--day", DAY)
    assert ended.returncode == 10
    status = shop.status("--day", DAY)[DAY]
    assert (status["stage"], status["at_rest"]) == ("failed", True)
    assert f"error: {status['error']['what']}" in ended.stderr
    assert "Row 7 is odd." in status["error"]["why"]
    assert "Row 7 is odd." in Path(status["error"]["log"]).read_text()
    text = shop.penstock("status", "--from", DAY, "--to", DAY).stdout
    assert text.startswith(f"{DAY}  failed      process: 0 of 1 task done\n")
    assert f"log: {status['error']['log']}" in text or status["error"]["log"] in text
    assert shop.sql("SELECT count(*) FROM revenue") == [(0,)]

    shop.faults()
    assert shop.penstock("resume", "--day", DAY).returncode == 0
    status = shop.status("--day", DAY)[DAY]
    assert (status["stage"], status["error"]) == ("loaded", None)

    head = shop.staging / f"heads/daily_revenue/day={DAY}.json"
    head.write_text(head.read_text()[:-20])
    damaged = shop.status("--from", DAY, "--to", NEXT)
    assert (damaged[DAY]["stage"], damaged[NEXT]["stage"]) == ("failed", "never run")
    assert f"day={DAY}.json" in damaged[DAY]["error"]["what"]


def test_a_chain_that_was_killed_holds_the_day_no_longer_than_its_lease(shop: SmallRange) -> None:
    with shop.waiting(DAY):
        running = shop.begin("run", "--day", DAY, *SHORT_LEASE)
        wait_until(lambda: DAY in shop.attempts())
        running.kill()
        running.communicate()
        ended = shop.penstock("status", "--day", DAY, "--watch", "--json")
    seen = [json.loads(line) for line in ended.stdout.splitlines()]
    assert seen[-1]["stage"] == "exported"
    assert seen[-1]["at_rest"]
    assert [(each["stage"], each["at_rest"]) for each in seen[:-1]] in ([], [("processing", False)])


def test_ctrl_c_ends_the_watching_and_is_no_error(shop: SmallRange) -> None:
    with shop.waiting(DAY):
        shop.begin("run", "--day", DAY)
        wait_until(lambda: DAY in shop.attempts())
        watching = shop.begin("status", "--day", DAY, "--watch")
        assert watching.stdout is not None
        assert watching.stdout.readline().startswith(f"{DAY}  processing")
        watching.send_signal(signal.SIGINT)
        _, stderr = watching.communicate(timeout=30)
        assert (watching.returncode, stderr) == (0, "")


def test_on_an_emulator_the_api_tells_of_tasks_also_when_the_chain_is_dead_and_the_bucket_alone_when_it_is_gone(
    bucket_day: CloudDay,
) -> None:
    chain = bucket_day.begin()
    bucket_day.wait_for_tasks(chain)
    status, _ = ask(bucket_day)
    assert (status["stage"], status["tasks"], status["tasks_running"], status["retried"]) == ("processing", 2, 2, 0)
    execution = bucket_day.executions()["processor"][0].name.rpartition("/")[2]
    assert status["execution"] == execution
    assert status["holder"]

    chain.kill()
    chain.wait()
    wait_until(lambda: ask(bucket_day)[0]["holder"] is None)
    status, _ = ask(bucket_day)
    assert (status["stage"], status["at_rest"], status["tasks_running"]) == ("processing", False, 2)
    bucket_day.go()
    wait_until(lambda: ask(bucket_day)[0]["at_rest"])
    status, stderr = ask(bucket_day)
    assert (status["stage"], status["tasks_done"], stderr) == ("stopped", 2, "")
    assert "The run was stopped before it was done." in status["error"]["what"]

    bucket_day.emulator.end()
    status, stderr = ask(bucket_day)
    assert (status["stage"], status["tasks"], status["tasks_done"], status["execution"]) == ("stopped", 2, 2, None)
    assert stderr.startswith("warning: only the bucket is asked")


def ask(day: CloudDay) -> tuple[dict[str, Any], str]:
    """The status of the day, and what was said."""
    line = [warm_python(), "-m", "chain", "status", "--config", str(day.folder / "shop.toml"), "--day", CLOUD_DAY]
    line += ["--json", "--set", "cloud.project=acme", "--set", "cloud.region=europe-west1"]
    environment = dict(os.environ) | {"RUN_EMULATOR_HOST": day.emulator.address}
    ended = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (found,) = json.loads(ended.stdout)
    return found, ended.stderr
