"""`penstock config show`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, environment, json_option


@click.group(short_help="Show the settings as the jobs get them.")
def config() -> None:
    """Show the settings of a pipeline.

    A flag wins over the environment, the environment over the file, the file over the default.
    """


@config.command(short_help="Print every key and its value.")
@common
@click.option("--origin", is_flag=True, help="Say where each value comes from: a line, a variable, --set, the default.")
@json_option
def show(config: Path, overrides: Sequence[str], *, origin: bool, as_json: bool) -> None:
    """Print every key and its value as the jobs get them.

    Secrets are hidden.
    """
    import json

    from chain.show_config import describe_settings, format_settings
    from staging.config.file import load_settings

    settings = describe_settings(load_settings(config, environ=environment(), overrides=overrides))
    if as_json:
        click.echo(json.dumps([each.to_json() for each in settings], ensure_ascii=False))
    else:
        click.echo(format_settings(settings, with_origin=origin))
