"""`penstock plan`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from chain.cli_options import common, day_option, environment, json_option, line_characters, style_for_stdout


@click.command(short_help="Show what `run` would do with a day; reads no row.")
@common
@day_option
@json_option
def plan(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Show what `run` would do with a day.

    It shows the window, how each column is carried, how the day is read and why, the statement, the database's plan
    for it, the size, and what would be refused. It writes nothing and reads no row.
    """
    from chain.calendar import read_window
    from chain.plan.day import plan_day
    from chain.plan.view import format_plan
    from chain.views.figures import plural
    from staging.config.file import load_pipeline
    from staging.config.layers import module_folders
    from staging.errors import InputError, UnavailableError
    from staging.open_store import open_store
    from staging.window import check_not_future, load_zone

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    now = datetime.now(UTC)
    business_day = read_window(pipeline, now, day)
    check_not_future(business_day, load_zone(pipeline.source.timezone), now)
    with open_store(pipeline.staging.url) as store:
        planned = plan_day(pipeline, business_day, store, module_folders(config, environment()))
    if as_json:
        click.echo(json.dumps(planned.to_json(), ensure_ascii=False))
    else:
        columns = line_characters()
        click.echo(format_plan(planned, now, style=style_for_stdout(), columns=columns))
    if planned.refused:
        kind = UnavailableError if all(isinstance(e, UnavailableError) for e in planned.refused) else InputError
        raise kind(
            f"{pipeline.name} {business_day} would be refused, for {plural(len(planned.refused), 'reason')}.",
            fix="The list above shows each fault and its fix.",
        )
