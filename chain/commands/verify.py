"""`penstock verify`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from chain.cli_options import common, day_option, environment, json_option, line_characters, style_for_stdout


@click.command(short_help="Read a loaded day back and prove that all agrees.")
@common
@day_option
@json_option
def verify(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Read a loaded day back and prove that all agrees.

    It compares manifest, shards, parts, ledger and target. Exit 40 if they differ; exit 10 if only the settings of
    [source] have changed since the day was read.
    """
    from chain.calendar import read_window
    from chain.views.verification import format_verification, verification_json
    from loader.verify.day import verify_day
    from loader.verify.run import SETTINGS
    from staging.config.file import load_pipeline
    from staging.errors import InputError, IntegrityError
    from staging.open_store import open_store
    from staging.process.cancel import cancel_on_signals

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    business_day = read_window(pipeline, datetime.now(UTC), day)
    with cancel_on_signals() as cancel, open_store(pipeline.staging.url) as store:
        found = verify_day(
            pipeline, business_day, store=store, cancel=cancel, say=lambda line: click.echo(line, err=True)
        )
    if as_json:
        click.echo(json.dumps(verification_json(found), ensure_ascii=False))
    else:
        columns = line_characters()
        click.echo(format_verification(found, pipeline.name, style=style_for_stdout(), columns=columns))
    failed = [check for check in found.checks if not check.ok]
    if failed and all(check.name == SETTINGS for check in failed):
        raise InputError(
            f"{pipeline.name} {business_day} agrees with itself, and not with the pipeline file.",
            why=failed[0].why,
            fix="Read the day again with `penstock run --fresh-export`, or put the settings back.",
        )
    if failed:
        raise IntegrityError(
            f"{pipeline.name} {business_day} does not agree: {len(failed)} of {len(found.checks)} checks failed.",
            why=f"{failed[0].name}: {failed[0].why}",
            fix="Don't use the day's rows. `penstock run --fresh-export` brings it to done again."
            if found.run_id is not None
            else "It was not loaded: `penstock run` brings it to done.",
        )
