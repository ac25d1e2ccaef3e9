"""What tells of days, and changes nothing."""
# ruff: noqa: PLC0415 - heavy libraries are imported by the command that runs, never for `--help`

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, day_option, json_option


@click.command(short_help="Read a loaded day back and prove that all agrees.")
@common
@day_option
@json_option
def verify(config: Path, day: str, overrides: Sequence[str], *, as_json: bool) -> None:
    """Read back manifest, shards, parts, ledger and target of a day and prove that they agree; exit 40 if not."""
    from chain.commands.verify import verify_command

    verify_command(config, day, overrides, as_json=as_json)


@click.command(short_help="Say which keys differ between two exports of a day.")
@common
@day_option
@click.option(
    "--exports",
    nargs=2,
    metavar="BEFORE AFTER",
    help="The two exports to compare. [default: the current one and the one before it]",
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many keys are listed, those that differ most first; all are counted.",
)
@json_option
def diff(
    config: Path, day: str, overrides: Sequence[str], *, exports: tuple[str, str] | None, limit: int, as_json: bool
) -> None:
    """Say which keys differ between two exports of a day, and by how many rows and how much of each sum.

    Late rows show so after `penstock run --fresh-export`. Works on the bucket alone. Ends with 0 either way.
    """
    from chain.commands.diff import diff_command

    diff_command(config, day, overrides, exports=exports or (), limit=limit, as_json=as_json)


@click.command(short_help="Say how far days are, and who works on them.")
@common
@click.option("--day", metavar="YYYY-MM-DD", help="Only this day, with all that is known of it.")
@click.option("--from", "first", metavar="YYYY-MM-DD", help="The first day of a range, inclusive.")
@click.option("--to", "last", metavar="YYYY-MM-DD", help="The last day, inclusive. [default: today]")
@click.option("--watch", is_flag=True, help="Look again until all days are at rest, or Ctrl-C.")
@json_option
def status(
    config: Path,
    overrides: Sequence[str],
    *,
    day: str | None,
    first: str | None,
    last: str | None,
    watch: bool,
    as_json: bool,
) -> None:
    """Say of each day how far it is, who works on it, and why it failed. By default of the last seven days.

    The bucket tells it, and the jobs' API where that can be asked. No database is touched, nothing is written.
    """
    from chain.commands.status import StatusRequest, status_command

    status_command(StatusRequest(config, overrides, day, first, last, as_json, watch))
