"""`penstock run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import (
    common,
    day_option,
    json_option,
    logs_option,
    progress_option,
    style_for_stdout,
    wait_option,
)


@click.command(short_help="Bring a day to done: export, process, load.")
@common
@day_option
@click.option("--fresh-export", is_flag=True, help="Read the source again, even if an export of the day is stored.")
@wait_option
@json_option
@logs_option
@progress_option
def run(
    config: Path,
    day: str,
    overrides: Sequence[str],
    logs: Path | None,
    *,
    fresh_export: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Bring a day to done: export, process, load.

    A run that was cut short is gone on with. A stored export of the day is used again unless --fresh-export is given.
    A day that is already done says so and writes nothing.
    """
    from chain.day.open_run import open_day_run
    from chain.day.run import run_day
    from chain.views.summary import print_report

    with open_day_run(config, day, overrides, logs, wait=wait) as opened:
        report = run_day(opened, fresh_export=fresh_export)
    print_report(report, style=style_for_stdout(), as_json=as_json)
