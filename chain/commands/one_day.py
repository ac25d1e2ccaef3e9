"""What brings one day to done."""
# ruff: noqa: PLC0415 - heavy libraries are imported by the command that runs, never for `--help`

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, day_option, json_option, logs_option, progress_option, wait_option


@click.command(short_help="Bring a day to done: export, process, load.")
@common
@day_option
@click.option("--fresh-export", is_flag=True, help="Read the source again, even if an export of the day is stored.")
@wait_option
@json_option
@logs_option
@progress_option
def run(
    config: Path,
    day: str,
    overrides: Sequence[str],
    logs: Path | None,
    *,
    fresh_export: bool,
    wait: bool,
    as_json: bool,
) -> None:
    """Bring a day to done: export, process, load.

    A run that was cut short is gone on with. A stored export of the day is used again unless --fresh-export is given.
    A day that is already done says so and writes nothing.
    """
    from chain.commands.run import run_command

    run_command(config, day, overrides, logs, fresh_export=fresh_export, wait=wait, as_json=as_json)


@click.command(short_help="Go on with a day that was left half done.")
@common
@day_option
@wait_option
@json_option
@logs_option
@progress_option
def resume(config: Path, day: str, overrides: Sequence[str], logs: Path | None, *, wait: bool, as_json: bool) -> None:
    """Go on with the last run of a day, on any machine: what has a receipt stays, what runs is waited for.

    What the run was asked to do stands in the bucket. A day that is done says so; one without a run ends with 10.
    """
    from chain.commands.resume import resume_command

    resume_command(config, day, overrides, logs, wait=wait, as_json=as_json)


@click.command(short_help="Process a stored export again; the source rests.")
@common
@day_option
@wait_option
@json_option
@logs_option
@progress_option
def reprocess(
    config: Path, day: str, overrides: Sequence[str], logs: Path | None, *, wait: bool, as_json: bool
) -> None:
    """Run today's transform over the stored export of a day and load the result.

    Nothing connects to the source database.
    """
    from chain.commands.run import reprocess_command

    reprocess_command(config, day, overrides, logs, wait=wait, as_json=as_json)
