"""`penstock pause`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, json_option


@click.command(short_help="Make reading wait until `unpause`.")
@common
@click.option("--reason", default="", metavar="TEXT", help="Why: shown to whoever wonders what an export waits for.")
@json_option
def pause(config: Path, overrides: Sequence[str], reason: str, *, as_json: bool) -> None:
    """Make every export of the pipeline wait: one that reads in slices stops within seconds, none begins.

    Who paused, since when and why is shown by whatever waits. A pipeline that is paused already says so.
    """
    from chain.views.pause_switch import turn

    turn(config, overrides, paused=True, reason=reason, as_json=as_json)
