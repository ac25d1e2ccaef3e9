"""What the chain's process imports to bring a day to done: nothing that only jobs need."""

from __future__ import annotations

import subprocess
import sys


def test_bringing_a_day_to_done_here_imports_no_library_of_the_jobs() -> None:
    heavy = "{'polars', 'sqlalchemy', 'grpc', 'requests', 'rich'}"
    day = "chain.cli, chain.range.bring_to_done, chain.day.run, chain.day.open_run, chain.jobs.local.jobs"
    probe = f"import sys, {day}, staging.folder.store; print(sorted({heavy} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert loaded.stdout == "[]\n"
