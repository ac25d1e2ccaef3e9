"""`penstock pause`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, json_option


@click.command(short_help="Pause all exports until `unpause`.")
@common
@click.option("--reason", default="", metavar="TEXT", help="Why; shown by each export that waits.")
@json_option
def pause(config: Path, overrides: Sequence[str], reason: str, *, as_json: bool) -> None:
    """Pause every export of the pipeline.

    One that reads in slices stops within seconds; none begins. What waits shows who paused it, since when and why.
    A pipeline that is paused already says so.
    """
    from chain.views.pause_switch import turn

    turn(config, overrides, paused=True, reason=reason, as_json=as_json)
