"""An exporter beside others on one machine lets them go first; one that reads flat out does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_PROGRAM = """
import os
from exporter.pacing.give_way import give_way
from staging.pacing_config import PacingConfig
give_way(PacingConfig(gentle={gentle!r}))
print(os.nice(0))
"""


@pytest.mark.parametrize(("gentle", "is_nicer"), [("primary", True), ("replica", False)])
def test_an_exporter_gives_way_unless_it_reads_flat_out(gentle: str, is_nicer: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM.format(gentle=gentle)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert (int(done.stdout) > os.nice(0)) is is_nicer
