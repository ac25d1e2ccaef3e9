"""`penstock new`."""

from __future__ import annotations

from pathlib import Path

import click

from chain.cli_options import environment


@click.command(short_help="Write a first pipeline file for a table.")
@click.option("--url", metavar="URL", help="The database: a URL, env:NAME or file:/path. Asked for on a terminal.")
@click.option("--table", metavar="NAME", help="The table or view, name or schema.name. Asked for on a terminal.")
@click.option("--name", metavar="NAME", help="The pipeline's name. [default: daily_TABLE]")
@click.option("--key", metavar="COLUMNS", help="Whose rows belong together; several with commas. [default: proposed]")
@click.option("--time", metavar="COLUMN", help="What decides a row's day. [default: proposed]")
@click.option("--columns", metavar="COLUMNS", help="What is carried, the amount first. [default: proposed]")
@click.option("--timezone", default="UTC", show_default=True, metavar="ZONE", help="Whose days are meant.")
@click.option("--staging", metavar="URL", help="gs://bucket/prefix or file:///folder. [default: staging beside it]")
@click.option("--target-url", metavar="URL", help="Where the result goes. [default: the same database]")
@click.option("--target-table", metavar="NAME", help="The table that gets it. [default: TABLE_per_KEY]")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write. [default: pipeline.toml, or NAME.toml]",
)
@click.option("--example", metavar="NAME", help="Copy an example that Penstock brings along; `list` lists them.")
def new(
    url: str | None, table: str | None, timezone: str, out: Path | None, example: str | None, **wanted: str | None
) -> None:
    """Write a commented pipeline file that works.

    It asks the table's catalogue and reads no row. It proposes key, time, columns and the index that a day needs;
    what you give stays. It writes no password into a file.
    """
    import sys

    if example is not None:
        _copy_example(example, out)
        return
    out = out or Path("pipeline.toml")
    from chain.new.write import Wishes, write_pipeline
    from exporter.inspect.reflect import list_tables
    from staging.config.secret_url import look_up_in

    asks = sys.stdin.isatty()
    if url is None:
        if not asks:
            raise click.UsageError("Missing option '--url'.")
        url = str(click.prompt("Database URL, env:NAME or file:/path", err=True))
    if table is None:
        tables = list_tables(look_up_in(environment())(url))
        if not asks:
            raise click.UsageError(f"Missing option '--table': the database has {', '.join(tables) or 'none'}.")
        table = str(click.prompt(f"Table ({', '.join(tables)})", err=True))
    written = write_pipeline(Wishes(url, table, timezone=timezone, **wanted), out, environment())
    click.echo(f"{written.path} is written. Next:")
    if written.variable:
        click.echo(f"  export {written.variable}='the URL, which is in no file'")
    if written.index:
        click.echo(f"  {written.index};  -- a day is found by it")
    for step in ("init", "doctor"):
        click.echo(f"  penstock {step} --config {out}")
    click.echo(f"  penstock run --config {out} --day yesterday")


def _copy_example(name: str, out: Path | None) -> None:
    from chain.new.example import copy_example, describe_examples

    if name == "list":
        click.echo(describe_examples())
        return
    for path in copy_example(name, out):
        click.echo(f"{path} is written.")
