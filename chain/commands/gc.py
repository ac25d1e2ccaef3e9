"""`penstock gc`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import click

from chain.cli_options import common, environment, json_option


@click.command(short_help="List or delete exports and runs that no day needs.")
@common
@click.option(
    "--older-than",
    "older_than_days",
    default=30,
    show_default=True,
    type=click.IntRange(1, 36_500),
    metavar="DAYS",
    help="Only what was last written longer ago.",
)
@click.option("--delete", is_flag=True, help="Delete; without it they are only listed.")
@json_option
def gc(config: Path, overrides: Sequence[str], older_than_days: int, *, delete: bool, as_json: bool) -> None:
    """List exports and runs that no day needs; --delete deletes them.

    With a target of Parquet files, also files that no day's manifest names. It never touches a day's current export,
    the last run, what the target may have been loaded from, days that somebody works on, and objects that Penstock
    did not write.
    """
    from chain.gc.collect import clean_up
    from chain.gc.target import clean_up_target
    from chain.gc.view import Lines, format_total, garbage_json
    from staging.config.file import load_pipeline
    from staging.open_store import open_store
    from staging.process.cancel import cancel_on_signals

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    found = []
    with cancel_on_signals() as cancel, open_store(pipeline.staging.url) as store:
        now = store.now()
        show = Lines(now, quiet=as_json)
        for garbage in clean_up(store, pipeline.name, cancel, timedelta(days=older_than_days), now, delete=delete):
            show(garbage)
            found.append(garbage)
        if pipeline.target.parquet is not None:
            with open_store(pipeline.target.parquet) as target:
                older_than = timedelta(days=older_than_days)
                for garbage in clean_up_target(
                    store, target, pipeline.name, cancel, older_than=older_than, now=now, delete=delete
                ):
                    show(garbage)
                    found.append(garbage)
    if as_json:
        click.echo(json.dumps(garbage_json(found, older_than_days, deleted=delete), ensure_ascii=False))
    else:
        click.echo(format_total(found, pipeline.name, older_than_days, deleted=delete))
