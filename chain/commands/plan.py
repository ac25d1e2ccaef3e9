"""What `penstock plan` does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from chain.cli_options import environment, style_for_stdout
from chain.plan.day import plan_day
from chain.plan.view import format_plan
from chain.views.figures import plural
from staging.config.file import load_pipeline
from staging.errors import InputError, UnavailableError
from staging.open_store import open_store
from staging.window import check_not_future, load_zone, parse_day


def plan_command(config: Path, day_text: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Print the plan; InputError or UnavailableError after it where something would be refused."""
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    day = parse_day(day_text)
    now = datetime.now(UTC)
    check_not_future(day, load_zone(pipeline.source.timezone), now)
    with open_store(pipeline.staging.url) as store:
        planned = plan_day(pipeline, day, store, (config.absolute().parent, Path.cwd()))
    if as_json:
        click.echo(json.dumps(planned.to_json(), ensure_ascii=False))
    else:
        columns = shutil.get_terminal_size().columns
        click.echo(format_plan(planned, now, style=style_for_stdout(), columns=columns))
    if planned.refused:
        kind = UnavailableError if all(isinstance(e, UnavailableError) for e in planned.refused) else InputError
        raise kind(
            f"{pipeline.name} {day} would be refused, for {plural(len(planned.refused), 'reason')}.",
            fix="Each stands above with what to do about it.",
        )
