"""`penstock reprocess`."""

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
    raise_fence_option,
    require_closed_option,
    style_for_stdout,
    wait_option,
)

if TYPE_CHECKING:
    from chain.asked import Permitted


@click.command(short_help="Process a stored export again; the source is not read.")
@common
@day_option
@accept_change_option
@require_closed_option
@raise_fence_option
@permission_options
@wait_option
@json_option
@logs_option
@progress_option
def reprocess(
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
    """Process a day's stored export again, and load it.

    Today's transform runs over it. Nothing connects to the source database. Of an hourly pipeline --day is all its
    hours, in their order.
    """
    from datetime import UTC, datetime

    from chain.asked import Asked
    from chain.calendar import is_day_of_hours
    from chain.day.open_run import open_day_run
    from chain.day.run import reprocess_day
    from chain.views.summary import print_report
    from staging.config.file import load_pipeline

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    asked = Asked(accept_change, require_closed, permitted)
    if is_day_of_hours(pipeline, datetime.now(UTC), day):
        from chain.range.hours import bring_hours

        bring_hours(config, day, overrides, logs, asked, wait=wait, as_json=as_json, reprocess=True)
        return
    with open_day_run(pipeline, config, day, logs, wait=wait, asked=asked) as opened:
        report = reprocess_day(opened)
    print_report(report, style=style_for_stdout(), as_json=as_json)
