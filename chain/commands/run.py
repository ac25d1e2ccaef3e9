"""`penstock run`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.cli_options import (
    accept_change_option,
    common,
    day_option,
    environment,
    json_option,
    logs_option,
    patience_option,
    permission_options,
    progress_option,
    raise_fence_option,
    require_closed_option,
    style_for_stdout,
    wait_option,
)

if TYPE_CHECKING:
    from chain.asked import Permitted


@click.command(short_help="Export, process and load a day.")
@common
@day_option
@click.option("--fresh-export", is_flag=True, help="Read the source again, even if an export of the day is stored.")
@accept_change_option
@require_closed_option
@raise_fence_option
@permission_options
@wait_option
@patience_option
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
    permitted: Permitted,
    wait: bool,
    accept_change: bool,
    require_closed: bool,
    patience_seconds: int,
    as_json: bool,
) -> None:
    """Export, process and load a day.

    An interrupted run is resumed. A stored export of the day is used again unless --fresh-export is given.
    A day that is already done says so and writes nothing. Of an hourly pipeline --day is all its hours, in their order.
    """
    from datetime import UTC, datetime

    from chain.calendar import is_day_of_hours
    from chain.jobs.open import open_warm_jobs
    from staging.config.file import load_pipeline
    from staging.errors import UsageError

    if patience_seconds and fresh_export:
        raise UsageError(
            "--patience-seconds and --fresh-export don't go together.", why="Each try would read the source again."
        )
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    if is_day_of_hours(pipeline, datetime.now(UTC), day):
        from chain.asked import Asked
        from chain.day.open_run import read_one_day
        from chain.day.patience import Patience
        from chain.range.hours import bring_hours

        meant, asked = read_one_day(pipeline, day), Asked(accept_change, require_closed, permitted)
        Patience(patience_seconds, say=lambda text: click.echo(text, err=True)).persist(
            lambda: bring_hours(
                config, meant, overrides, logs, asked, wait=wait, as_json=as_json, fresh_export=fresh_export
            )
        )
        return
    with open_warm_jobs(pipeline, config, environment()) as spawn:
        # The chain's own imports take as long as the jobs' imports: both run at the same time.
        from chain.asked import Asked
        from chain.day.open_run import open_day_run, read_one_day
        from chain.day.patience import Patience
        from chain.day.report import Report
        from chain.day.run import run_day
        from chain.views.summary import print_report

        meant = read_one_day(pipeline, day)  # the next try may be made on another day
        asked = Asked(accept_change, require_closed, permitted)

        def attempt() -> Report:
            with open_day_run(pipeline, config, meant, logs, wait=wait, asked=asked, spawn=spawn) as opened:
                return run_day(opened, fresh_export=fresh_export)

        report = Patience(patience_seconds, say=lambda text: click.echo(text, err=True)).persist(attempt)
    print_report(report, style=style_for_stdout(), as_json=as_json)
