"""What `penstock init` does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import click

from chain.cli_options import environment
from chain.views.figures import plural
from exporter.inspect.describe import describe_source
from loader.init import init_target
from processor.find_transform import find_transform
from processor.transform import Day
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.window import load_zone, plan_window


def init_command(config: Path, overrides: Sequence[str], *, dry_run: bool) -> None:
    """Create what is missing and print the SQL."""
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


def create_tables(pipeline: Pipeline, *, apply: bool, folders: Sequence[Path] = ()) -> list[str]:
    """Create the target and ledger tables where they are missing; return the SQL.

    The target's columns are those that the transform promises for the source's column types.
    """
    transform = find_transform(pipeline.process.transform, folders)
    contract = transform.contract(_some_day(pipeline, folders))
    return init_target(pipeline, contract.schema, contract.key_columns, apply=apply)


def _some_day(pipeline: Pipeline, folders: Sequence[Path]) -> Day:
    """Describe the source as it is today; which day it is has no influence on column types."""
    source = pipeline.source
    today: date = datetime.now(UTC).date()
    return Day(
        day=today,
        timezone=source.timezone,
        window=plan_window(today, load_zone(source.timezone)),
        pipeline=pipeline.name,
        key=source.key,
        time=source.time,
        columns=source.columns,
        schema=describe_source(pipeline, folders),
    )
