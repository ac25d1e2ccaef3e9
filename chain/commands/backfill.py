"""`penstock backfill`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import (
    DAY,
    accept_change_option,
    common,
    json_option,
    logs_option,
    progress_option,
    require_closed_option,
)


@click.command(short_help="Run many days, some at once.")
@common
@click.option("--from", "first", required=True, metavar=DAY, help="The first day, inclusive.")
@click.option("--to", "last", required=True, metavar=DAY, help="The last day, inclusive.")
@click.option(
    "--days-at-once",
    default=1,
    show_default=True,
    type=click.IntRange(1, 32),
    metavar="K",
    help="How many days are worked on at the same time; each may read the source.",
)
@click.option("--reprocess", is_flag=True, help="As `penstock reprocess` for each day: the source rests.")
@click.option("--fresh-export", is_flag=True, help="As `penstock run --fresh-export` for each day: each is read again.")
@click.option(
    "--anew",
    is_flag=True,
    help="With --reprocess or --fresh-export: don't go on with an interrupted one, do all days again.",
)
@click.option("--keep-going", is_flag=True, help="Begin further days though one has failed.")
@accept_change_option
@require_closed_option
@json_option
@progress_option
@logs_option
def backfill(
    config: Path,
    overrides: Sequence[str],
    *,
    first: str,
    last: str,
    logs: Path | None,
    days_at_once: int,
    reprocess: bool,
    fresh_export: bool,
    anew: bool,
    keep_going: bool,
    accept_change: bool,
    require_closed: bool,
    as_json: bool,
) -> None:
    """Run each day of a range, and print a line for each.

    Days don't depend on each other. After a failure no further day begins, unless --keep-going is given.
    The same command resumes an interrupted backfill: days that are done write nothing. The exit code is that of the
    worst day, of 40, 1, 2, 10, 20, 30 the first.
    """
    from chain.asked import Asked
    from chain.range.backfill import DaysAtOnce
    from chain.range.bring_to_done import BackfillRequest, bring_to_done
    from staging.errors import UsageError

    if reprocess and fresh_export:
        raise UsageError("--reprocess and --fresh-export don't go together.", why="The one never reads the source.")
    at_once = DaysAtOnce(days_at_once, keep_going)
    asked = Asked(accept_change, require_closed)
    request = BackfillRequest(config, first, last, overrides, logs, at_once, reprocess, anew, asked, fresh_export)
    bring_to_done(request, as_json=as_json)
