"""`penstock init`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import common, environment


@click.command(short_help="Create the target and ledger tables where missing.")
@common
@click.option("--dry-run", is_flag=True, help="Only print the SQL.")
def init(config: Path, overrides: Sequence[str], *, dry_run: bool) -> None:
    """Create the target and ledger tables where they are missing, and print the SQL. Never alters a table."""
    from chain.create_tables import create_tables
    from chain.views.figures import plural
    from staging.config.file import load_pipeline

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    statements = create_tables(pipeline, apply=not dry_run, folders=(config.absolute().parent, Path.cwd()))
    for statement in statements:
        click.echo(f"{statement};")
    if pipeline.target.parquet is not None:
        click.echo(f"Nothing to create: the target is Parquet files in {pipeline.target.parquet}.", err=True)
    elif not statements:
        click.echo("Nothing to create: target and ledger tables are there.", err=True)
    elif dry_run:
        click.echo("Nothing was created: --dry-run only shows the SQL.", err=True)
    else:
        click.echo(f"Created {plural(len(statements), 'table')}.", err=True)
