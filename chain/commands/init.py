"""`penstock init`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from chain.cli_options import answer_option, common, environment, in_cloud_option

if TYPE_CHECKING:
    from staging.config.pipeline import Pipeline


@click.command(short_help="Create the target and ledger tables where missing.")
@common
@click.option("--dry-run", is_flag=True, help="Only print the SQL.")
@in_cloud_option
@answer_option
def init(config: Path, overrides: Sequence[str], *, dry_run: bool, in_cloud: bool, answer: str | None) -> None:
    """Create the target and ledger tables where missing, and print the SQL.

    It never alters a table. Where one lacks a column of the transform's, or has it too narrow, it says which
    ALTER TABLE would help.
    """
    from chain.in_cloud.answer import answered
    from chain.in_cloud.run import run_in_cloud
    from staging.config.file import load_pipeline

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    if in_cloud:
        run_in_cloud(pipeline, "init", ["--dry-run"] if dry_run else [], overrides, environment())
        return
    with answered(pipeline, answer):
        _create(pipeline, config, dry_run=dry_run)


def _create(pipeline: Pipeline, config: Path, *, dry_run: bool) -> None:
    from chain.create_tables import create_and_compare
    from chain.views.figures import plural
    from staging.config.layers import module_folders

    folders = module_folders(config, environment())
    statements, proposed = create_and_compare(pipeline, apply=not dry_run, folders=folders)
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
    if proposed:
        click.echo("The target's columns do not fit the transform's. Nothing was altered; this would help:", err=True)
    for statement in proposed:
        click.echo(f"  {statement};", err=True)
