"""`penstock help`."""

from __future__ import annotations

import click


@click.command(name="help", short_help="Say what a key of the pipeline file means.")
@click.argument("key", required=False)
@click.pass_context
def help_key(context: click.Context, key: str | None) -> None:
    """Say what KEY of the pipeline file takes, its default, its variable and what it means; without KEY list all keys.

    KEY is a whole key such as export.shards, a section such as pacing, or the name of a command.
    """
    from chain.explain_key import explain

    command = context.find_root().command
    if key and isinstance(command, click.Group) and (found := command.commands.get(key)) is not None:
        click.echo(found.get_help(click.Context(found, info_name=key, parent=context.find_root())))
        return
    click.echo(explain(key))
