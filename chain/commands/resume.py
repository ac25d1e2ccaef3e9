"""`penstock resume`."""

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
    permission_options,
    progress_option,
    require_closed_option,
    style_for_stdout,
    wait_option,
)

if TYPE_CHECKING:
    from chain.asked import Permitted


@click.command(short_help="Resume a day that was interrupted.")
@common
@day_option
@accept_change_option
@require_closed_option
@permission_options
@wait_option
@json_option
@logs_option
@progress_option
def resume(
    config: Path,
    day: str,
    overrides: Sequence[str],
    logs: Path | None,
    *,
    permitted: Permitted,
    wait: bool,
    accept_change: bool,
    require_closed: bool,
    as_json: bool,
) -> None:
    """Resume the last run of a day, on any machine.

    What has a receipt stays; what still runs is waited for. The bucket keeps what the run was asked to do.
    A day that is done says so; one without a run ends with 10.
    """
    from chain.asked import Asked
    from chain.day.open_run import open_day_run
    from chain.day.run import resume_day
    from chain.views.summary import print_report
    from staging.config.file import load_pipeline

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    with open_day_run(
        pipeline, config, day, logs, wait=wait, asked=Asked(accept_change, require_closed, permitted)
    ) as opened:
        report = resume_day(opened)
    print_report(report, style=style_for_stdout(), as_json=as_json)
