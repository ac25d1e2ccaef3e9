"""What keeps a pipeline in order: clean-up, and rest."""
# ruff: noqa: PLC0415 - heavy libraries are imported by the command that runs, never for `--help`

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, json_option


@click.command(short_help="List or delete old exports and runs no day needs.")
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
    """List exports and runs that no day needs any more, and with --delete delete them.

    Never touched are a day's current export, the last run, what the target may have been loaded from, days that
    somebody works on, and objects that Penstock did not write.
    """
    from chain.commands.gc import gc_command

    gc_command(config, overrides, older_than_days=older_than_days, delete=delete, as_json=as_json)


@click.command(short_help="Make reading wait until `unpause`.")
@common
@click.option("--reason", default="", metavar="TEXT", help="Why: shown to whoever wonders what an export waits for.")
@json_option
def pause(config: Path, overrides: Sequence[str], reason: str, *, as_json: bool) -> None:
    """Make every export of the pipeline wait: one that reads in slices stops within seconds, none begins.

    Who paused, since when and why is shown by whatever waits. A pipeline that is paused already says so.
    """
    from chain.commands.pause import pause_command

    pause_command(config, overrides, paused=True, reason=reason, as_json=as_json)


@click.command(short_help="Let a paused pipeline read again.")
@common
@json_option
def unpause(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Let exports of the pipeline read again; what waits goes on within seconds."""
    from chain.commands.pause import pause_command

    pause_command(config, overrides, paused=False, as_json=as_json)
