"""`penstock help`."""

from __future__ import annotations

import click


@click.command(name="help", short_help="Explain a key of the pipeline file; show a page.")
@click.argument("key", required=False)
@click.pass_context
def help_key(context: click.Context, key: str | None) -> None:
    """Explain a KEY of the pipeline file; without KEY list all keys.

    It shows what the key takes, its default, its variable and what it means. KEY is a whole key such as export.shards,
    a section such as pacing, the name of a command, or a page of the documentation such as connect.
    """
    from chain.explain_key import explain

    command = context.find_root().command
    if key and isinstance(command, click.Group) and (found := command.commands.get(key)) is not None:
        click.echo(found.get_help(click.Context(found, info_name=key, parent=context.find_root())))
        return
    click.echo(explain(key))
