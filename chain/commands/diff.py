"""`penstock diff`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from chain.cli_options import common, day_option, environment, json_option, style_for_stdout


@click.command(short_help="Compare two exports of a day, key by key.")
@common
@day_option
@click.option(
    "--exports",
    nargs=2,
    metavar="BEFORE AFTER",
    help="The two exports to compare. [default: the current one and the one before it]",
)
@click.option(
    "--limit",
    default=20,
    show_default=True,
    type=click.IntRange(0, 1_000_000),
    help="How many keys are listed, those that differ most first; all are counted.",
)
@json_option
def diff(
    config: Path, day: str, overrides: Sequence[str], *, exports: tuple[str, str] | None, limit: int, as_json: bool
) -> None:
    """Compare two exports of a day, key by key.

    It shows by how many rows and how much of each sum a key differs. Late rows show so after
    `penstock run --fresh-export`. It reads only the bucket, and ends with 0 either way.
    """
    from chain.calendar import read_window
    from chain.diff.exports import diff_tables
    from chain.diff.find import find_two_exports
    from chain.diff.plan import plan_comparisons
    from chain.diff.view import format_differences, tables_to_json
    from staging.config.file import load_pipeline
    from staging.names import DayNames, check_id
    from staging.open_store import open_store
    from staging.process.cancel import cancel_on_signals
    from staging.process.watched import run_watched

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    names = DayNames(pipeline.name, read_window(pipeline, datetime.now(UTC), day))
    named = [check_id(export_id, of="export id") for export_id in exports or ()]
    with (
        cancel_on_signals() as cancel,
        open_store(pipeline.staging.url) as store,
        TemporaryDirectory(prefix="penstock-diff-") as scratch,
    ):
        compared = plan_comparisons(*find_two_exports(store, names, named))
        found = run_watched(
            lambda: diff_tables(store, compared, limit=limit, scratch=Path(scratch), cancel=cancel), cancel
        )
    if as_json:
        click.echo(json.dumps(tables_to_json(compared, found), ensure_ascii=False))
    else:
        click.echo(format_differences(compared, found, style=style_for_stdout()))
