"""What one asks before the first run: the tables, whether all is well, what a run would do."""
# ruff: noqa: PLC0415 - heavy libraries are imported by the command that runs, never for `--help`

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, day_option, json_option


@click.command(short_help="Create the target and ledger tables where missing.")
@common
@click.option("--dry-run", is_flag=True, help="Only print the SQL.")
def init(config: Path, overrides: Sequence[str], *, dry_run: bool) -> None:
    """Create the target and ledger tables where they are missing, and print the SQL. Never alters a table."""
    from chain.commands.init import init_command

    init_command(config, overrides, dry_run=dry_run)


@click.command(short_help="Look at all that a run needs, with a fix for each fault.")
@common
@json_option
def doctor(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Look at all that a run needs: connections, rights, columns, index, clocks, time zones, transform, target tables,
    bucket, jobs. One line each, with its fix; it does not stop at the first fault. Exit code 10 or 20 if there is one.
    """  # noqa: D205 - click's help text
    from chain.commands.doctor import doctor_command

    doctor_command(config, overrides, as_json=as_json)


@click.command(short_help="Say what `run` would do with a day; nothing is read.")
@common
@day_option
@json_option
def plan(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Say what `run` would do with a day: its window, which columns go how, how it is read and why, the statement and
    how the database would run it, how much it is, and what would be refused. Nothing is written and no row is read.
    """  # noqa: D205 - click's help text
    from chain.commands.plan import plan_command

    plan_command(config, day, overrides, as_json=as_json)
