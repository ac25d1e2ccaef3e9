"""`status` of days that were never run, that were stopped, and as a check that runs by itself."""

from __future__ import annotations

import json
import signal

import pytest

from tests.chain.jobs.cloudrun.harness import wait_until
from tests.chain.range.small_range import SmallRange

pytestmark = pytest.mark.integration

DAY = "2026-10-25"


def test_where_none_of_the_asked_days_was_run_those_that_were_are_told(shop: SmallRange) -> None:
    assert shop.penstock("status").stdout.splitlines()[0] == "No day is loaded."
    late = shop.penstock("status", "--fail-if-late")
    assert late.returncode == 3
    assert "is late" in late.stderr
    assert "It was never run. No day is loaded." in late.stderr

    assert shop.penstock("run", "--day", DAY).returncode == 0
    shown = shop.penstock("status").stdout.splitlines()
    assert shown[0] == f"1 day is loaded, it is {DAY}."
    assert shown[1].startswith(f"{DAY}  loaded")
    assert len(shown) == 2
    other = shop.penstock("status", "--day", "2026-10-20").stdout
    assert other == f"1 day is loaded, it is {DAY}.\n2026-10-20  never run\n"
    assert json.loads(shop.penstock("status", "--day", "2026-10-20", "--json").stdout)[0]["stage"] == "never run"

    history = json.loads(shop.penstock("history", "--json").stdout)
    (run,) = history["runs"]
    assert (run["day"], run["outcome"], run["rows"]) == (DAY, "loaded", len(shop.expected(DAY)))
    assert run["totals"]["revenue"] == str(sum(shop.expected(DAY).values()))
    assert set(run["seconds"]) == {"export", "process", "load"}
    assert DAY in (shop.staging / "heads/daily_revenue/history/year=2026.json").read_text()


def test_a_day_that_was_asked_to_stop_is_stopped_and_not_failed(shop: SmallRange) -> None:
    with shop.waiting(DAY):
        running = shop.begin("run", "--day", DAY)
        wait_until(lambda: DAY in shop.attempts())
        running.send_signal(signal.SIGTERM)
        _, stderr = running.communicate(timeout=60)
    assert running.returncode == 20
    assert "error: Stopped on request." in stderr
    status = shop.status("--day", DAY)[DAY]
    assert (status["stage"], status["error"]["what"]) == ("stopped", "Stopped on request.")
    runs = json.loads(shop.penstock("history", "--json").stdout)["runs"]
    assert [run["outcome"] for run in runs] == ["stopped"]
    assert shop.penstock("run", "--day", DAY).returncode == 0
    assert shop.status("--day", DAY)[DAY]["stage"] == "loaded"
