"""An exporter beside others on one machine lets them go first; one that reads flat out does not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.serial]

_PROGRAM = """
import os
from pathlib import Path
from exporter.pacing.give_way import give_way
from staging.config.pacing import PacingConfig
give_way(PacingConfig(gentle={gentle!r}))
group = Path("/proc/self/autogroup")
print(os.nice(0), group.read_text() if group.exists() else "")
"""


def _niceness(gentle: str, *, leads_session: bool) -> tuple[int, int | None]:
    """Of the process, and of its session where the kernel weighs sessions."""
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(gentle=gentle)],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
        start_new_session=leads_session,
    )
    own, *group = done.stdout.split(maxsplit=1)
    found = re.search(r"nice (-?\d+)", group[0]) if group else None
    return int(own), int(found[1]) if found else None


@pytest.mark.parametrize(("gentle", "is_nicer"), [("primary", True), ("replica", False)])
def test_an_exporter_gives_way_unless_it_reads_flat_out(gentle: str, is_nicer: bool) -> None:
    own, _ = _niceness(gentle, leads_session=False)
    assert (own > os.nice(0)) is is_nicer


def test_a_session_of_its_own_gives_way_and_one_of_others_does_not() -> None:
    wish = "from pathlib import Path; Path('/proc/self/autogroup').write_text('1')"
    if subprocess.run(
        [sys.executable, "-c", wish], start_new_session=True, capture_output=True, check=False
    ).returncode:
        return  # this kernel does not weigh sessions, or lets nobody say so
    (_, leading), (_, flat_out) = (_niceness(gentle, leads_session=True) for gentle in ("primary", "replica"))
    _, among_others = _niceness("primary", leads_session=False)
    assert (leading, flat_out) == (10, 0)
    assert among_others != leading
