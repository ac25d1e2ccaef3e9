"""`--wait`, as real processes: a day that somebody else holds is waited for, and worked on as soon as it is free."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from pathlib import Path

import pytest

from staging.errors import ExitCode
from tests.chain.chain_days import DemoDay, make_day, wait_until

pytestmark = pytest.mark.integration

LEASE = ("--set", "chain.lease_seconds=6")


@pytest.fixture
def day(made: Path, tmp_path: Path) -> DemoDay:
    """A day of its own, whose tasks wait."""
    found = make_day(made, tmp_path)
    found.use_transform("wait")
    return found


def _wait_for_word(waiting: subprocess.Popen[str], holder: subprocess.Popen[str]) -> None:
    """Read what is said of whom the day is waited for: of one process, once."""
    assert waiting.stderr is not None
    line = waiting.stderr.readline()
    assert re.match(rf"waiting for .+@.+, process {holder.pid}, which holds the day: until it gives it back, ", line)
    assert re.search(r" or until 20.* UTC if it has died\n$", line)


def test_a_day_whose_holder_was_killed_is_gone_on_with_when_its_lease_is_over(day: DemoDay) -> None:
    with day.start("run", *LEASE) as chain:
        wait_until(lambda: day.attempts() or chain.poll() is not None)
        chain.kill()
        chain.wait()
        refused = day.penstock("resume", *LEASE)
        assert refused.returncode == ExitCode.HELD
        told = re.search(r"if it died, it ends in (\d+) s, at 20.* UTC\.", refused.stderr)
        assert told, refused.stderr
        assert 1 <= int(told[1]) <= 7
        (day.folder / "go").touch()
        with day.start("resume", "--wait", "--json", *LEASE) as waiting:
            _wait_for_word(waiting, chain)
            out, err = waiting.communicate(timeout=60)
    assert waiting.returncode == 0, err
    assert "waiting for" not in err
    assert json.loads(out)["status"] == "done"
    assert len(day.run_ids()) == 1
    assert day.is_right()
    assert day.head()["lease"] is None


def test_a_day_whose_holder_lives_is_waited_for_until_it_is_done_or_ctrl_c(day: DemoDay) -> None:
    with day.start("run", *LEASE) as chain:
        wait_until(lambda: day.attempts() or chain.poll() is not None)
        with day.start("run", "--wait", "--json", *LEASE) as patient, day.start("reprocess", "--wait", *LEASE) as ended:
            _wait_for_word(patient, chain)
            _wait_for_word(ended, chain)
            ended.send_signal(signal.SIGINT)
            _, err = ended.communicate(timeout=30)
            assert ended.returncode == ExitCode.UNAVAILABLE, err
            assert "error: Stopped" in err
            assert patient.poll() is None
            (day.folder / "go").touch()
            out, err = patient.communicate(timeout=60)
        assert chain.wait(timeout=60) == 0
    assert patient.returncode == 0, err
    assert json.loads(out)["status"] == "already done"
    assert len(day.run_ids()) == 1
    assert day.is_right()
