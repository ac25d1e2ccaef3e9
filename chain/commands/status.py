"""`penstock status`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import DAY, common, json_option


@click.command(short_help="Show how far days are, and who works on them.")
@common
@click.option("--day", metavar=DAY, help="Only this day, with all that is known of it.")
@click.option("--from", "first", metavar=DAY, help="The first day of a range, inclusive.")
@click.option("--to", "last", metavar=DAY, help="The last day, inclusive. [default: today]")
@click.option(
    "--fail-if-late",
    is_flag=True,
    help="End with 3 where the newest day that should be loaded by now is not; for a check that runs by itself.",
)
@click.option("--watch", is_flag=True, help="Look again until all days are at rest, or Ctrl-C.")
@json_option
def status(
    config: Path,
    overrides: Sequence[str],
    *,
    day: str | None,
    first: str | None,
    last: str | None,
    fail_if_late: bool,
    watch: bool,
    as_json: bool,
) -> None:
    """Show how far each day is, and who works on it.

    And why a day failed. Without a day or range: the last seven days. It reads the bucket, and asks the jobs' API
    where it can. It touches no database and writes nothing.
    """
    from chain.status.show import StatusRequest, show_status

    show_status(StatusRequest(config, overrides, day, first, last, as_json, watch, fail_if_late))
