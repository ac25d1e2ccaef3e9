"""`penstock deploy`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import click

from chain.cli_options import common, environment


@click.command(short_help="Write Terraform or gcloud for a night on Cloud Run.")
@common
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Where the files go; those that are there are written anew.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["terraform", "gcloud"]),
    default="terraform",
    show_default=True,
    help="Terraform's JSON, or a script of gcloud commands.",
)
def deploy(config: Path, overrides: Sequence[str], *, out: Path, kind: Literal["terraform", "gcloud"]) -> None:
    """Write what a nightly run on Cloud Run needs.

    That is jobs, accounts with the least rights, bucket, schedule and alert. It calls nothing and deploys nothing.
    The same pipeline file gives the same bytes.
    """
    from chain.deploy.write import write_deployment
    from staging.config.file import load_pipeline

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    for path, changed in write_deployment(pipeline, out, kind).items():
        click.echo(f"{path}{'' if changed else '  (as it was)'}")
    click.echo(f"What to do with them stands in {out / 'README.md'}.", err=True)
