"""`penstock changed`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, compared_days_options, environment, json_option, style_for_stdout


@click.command(short_help="Say which stored days differ from the source now.")
@common
@compared_days_options
@json_option
def changed(
    config: Path,
    overrides: Sequence[str],
    *,
    first: str | None,
    last: str | None,
    newest: int | None,
    budget_seconds: float | None,
    as_json: bool,
) -> int:
    """Compare each stored day with the source, and fetch no row.

    PostgreSQL tells it by the versions of its rows, MySQL and MariaDB by a checksum, others by count and sums alone,
    which is said so. It asks in pieces of about 2 ms and rests between them as an export does. It ends with 3 where a
    day changed.
    """
    from datetime import UTC, datetime

    from chain.calendar import calendar_of
    from chain.changed.days import choose_days
    from chain.changed.look import compare_days
    from chain.changed.view import exit_code_of, format_compared, format_tally, to_json
    from staging.config.file import load_pipeline
    from staging.open_store import open_store
    from staging.process.cancel import cancel_on_signals
    from staging.process.watched import run_watched

    def say(text: str) -> None:
        click.echo(text, err=True)

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    calendar = calendar_of(pipeline, datetime.now(UTC))
    days = choose_days(pipeline, calendar, first=first, last=last, newest=newest, say=say)
    with cancel_on_signals() as cancel, open_store(pipeline.staging.url) as store:
        found = run_watched(
            lambda: compare_days(pipeline, store, days, cancel, budget_seconds=budget_seconds, say=say), cancel
        )
    if as_json:
        click.echo(json.dumps(to_json(pipeline.name, found), ensure_ascii=False))
    else:
        click.echo(format_compared(found, style=style_for_stdout()))
        click.echo(format_tally(pipeline.name, found))
    return int(exit_code_of(found))
