"""What `penstock diff` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from chain.cli_options import environment, style_for_stdout
from chain.diff.exports import diff_exports
from chain.diff.find import find_two_exports
from chain.diff.plan import plan_comparison
from chain.diff.view import format_difference, to_json
from staging.config.file import load_pipeline
from staging.names import DayNames, check_id
from staging.open_store import open_store
from staging.process.cancel import cancel_on_signals
from staging.process.watched import run_watched
from staging.window import parse_day


def diff_command(
    config: Path, day_text: str, overrides: Sequence[str], *, exports: Sequence[str], limit: int, as_json: bool
) -> None:
    """Print which keys differ between two exports of a day; nothing connects to a database."""
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    names = DayNames(pipeline.name, parse_day(day_text))
    named = [check_id(export_id, of="export id") for export_id in exports]
    with (
        cancel_on_signals() as cancel,
        open_store(pipeline.staging.url) as store,
        TemporaryDirectory(prefix="penstock-diff-") as scratch,
    ):
        compared = plan_comparison(*find_two_exports(store, names, named))
        found = run_watched(
            lambda: diff_exports(store, compared, limit=limit, scratch=Path(scratch), cancel=cancel), cancel
        )
    if as_json:
        click.echo(json.dumps(to_json(compared, found), ensure_ascii=False))
    else:
        click.echo(format_difference(compared, found, style=style_for_stdout()))
