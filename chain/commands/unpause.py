"""`penstock unpause`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, json_option


@click.command(short_help="Let a paused pipeline read again.")
@common
@json_option
def unpause(config: Path, overrides: Sequence[str], *, as_json: bool) -> None:
    """Let a paused pipeline read again; exports go on within seconds."""
    from chain.views.pause_switch import turn

    turn(config, overrides, paused=False, as_json=as_json)
