"""`penstock try`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from chain.cli_options import common, day_option, environment, json_option, style_for_stdout


@click.command(name="try", short_help="Run the transform over one stored shard; write nothing.")
@common
@day_option
@click.option(
    "--shard", default=0, show_default=True, type=click.IntRange(min=0), metavar="N", help="The shard, from 0."
)
@json_option
def try_(config: Path, day: str, overrides: Sequence[str], *, shard: int, as_json: bool) -> None:
    """Run the transform over one stored shard; write nothing.

    It shows ten rows, sums and quarantine of a shard of the day's stored export. It is planned, run and proven as a
    task does it, in this process. Nothing connects to a database, and no part, no receipt and no run is left.
    """
    from chain.calendar import read_window
    from chain.trial.shard import try_shard
    from chain.trial.view import format_trial, to_json
    from staging.config.file import load_pipeline
    from staging.config.layers import module_folders
    from staging.open_store import open_store
    from staging.process.cancel import cancel_on_signals
    from staging.process.watched import run_watched

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    business_day = read_window(pipeline, datetime.now(UTC), day)
    folders = module_folders(config, environment())
    with (
        cancel_on_signals() as cancel,
        open_store(pipeline.staging.url, make=False) as store,
        TemporaryDirectory(prefix="penstock-try-") as scratch,
    ):
        trial = run_watched(
            lambda: try_shard(store, pipeline, business_day, shard, folders, scratch=Path(scratch), cancel=cancel),
            cancel,
        )
    if as_json:
        click.echo(json.dumps(to_json(trial), ensure_ascii=False))
    else:
        click.echo(format_trial(trial, style=style_for_stdout()))
