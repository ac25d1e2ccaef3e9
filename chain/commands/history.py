"""`penstock history`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import DAY, common, environment, json_option, style_for_stdout


@click.command(short_help="List past runs: when, who, how long, how much.")
@common
@click.option("--from", "first", metavar=DAY, help="The first day, inclusive.")
@click.option("--to", "last", metavar=DAY, help="The last day, inclusive.")
@click.option(
    "--newest",
    default=30,
    show_default=True,
    type=click.IntRange(1, 100_000),
    metavar="N",
    help="Without --from: the newest days that have a run.",
)
@json_option
def history(
    config: Path, overrides: Sequence[str], *, first: str | None, last: str | None, newest: int, as_json: bool
) -> None:
    """List the runs of past days: start, stages, rows, sums, outcome, user.

    It reads only the bucket. Days that it had to read one by one are remembered in an index there.
    """
    from datetime import UTC, datetime

    from chain.calendar import calendar_of
    from chain.history.read import read_history, store_clock
    from chain.history.view import format_history, history_json
    from staging.config.file import load_pipeline
    from staging.open_store import open_store

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    days = calendar_of(pipeline, datetime.now(UTC))
    with open_store(pipeline.staging.url) as store:
        found = read_history(
            store,
            pipeline.name,
            first=days.read_day(first) if first else None,
            last=days.read_day(last) if last else None,
            newest=None if first else newest,
            now=store_clock(store, lambda: datetime.now(UTC)),
        )
    if as_json:
        click.echo(json.dumps(history_json(found.days, found.damaged), ensure_ascii=False))
        return
    for day, what in sorted(found.damaged.items()):
        click.echo(f"warning: {day}: {what}", err=True)
    if not any(day.runs for day in found.days):
        click.echo(f"No run of {pipeline.name} is in {pipeline.staging.url}.", err=True)
        return
    click.echo(format_history(found.days, style=style_for_stdout()))
