"""What `penstock resume` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from chain.commands.run import open_day_run, print_report
from chain.day.run import resume_day


def resume_command(
    config: Path, day: str, overrides: Sequence[str], logs: Path | None, *, wait: bool, as_json: bool
) -> None:
    """Go on with the day's last run; what it was asked to do stands in the bucket."""
    with open_day_run(config, day, overrides, logs, wait=wait) as day_run:
        report = resume_day(day_run)
    print_report(report, as_json=as_json)
