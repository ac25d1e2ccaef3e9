"""`penstock keep`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import (
    common,
    compared_days_options,
    environment,
    json_option,
    line_characters,
    logs_option,
    patience_option,
    progress_option,
    style_for_stdout,
)


@click.command(short_help="Make missing days, and read again those that changed.")
@common
@compared_days_options
@patience_option
@json_option
@progress_option
@logs_option
def keep(
    config: Path,
    overrides: Sequence[str],
    *,
    first: str | None,
    last: str | None,
    newest: int | None,
    budget_seconds: float | None,
    patience_seconds: int,
    logs: Path | None,
    as_json: bool,
) -> None:
    """Keep days as the source has them: the nightly command.

    Days that are missing are brought to done. Those that are stored are compared as `penstock changed` does it; exactly
    those that changed are read again, processed and loaded. A day that can't be compared, and one of which only count
    and sums are known to be the same, is left alone. So is, until the next night, one that is being rewritten. The same
    command resumes what was interrupted. The exit code is that of the worst day, of 40, 1, 2, 10, 20, 30 the first.
    """
    from datetime import UTC, datetime

    from chain.calendar import calendar_of
    from chain.changed.days import choose_days
    from chain.day.patience import Patience
    from chain.keep.bring import Keeping, keep_days
    from chain.keep.kept import check_all_kept
    from chain.keep.view import format_differences, format_kept, format_tally, to_json
    from chain.notify.teller import Teller
    from staging.config.file import load_pipeline
    from staging.errors import PenstockError
    from staging.process.cancel import cancel_on_signals

    def say(text: str) -> None:
        click.echo(text, err=True)

    began = time.monotonic()
    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    calendar = calendar_of(pipeline, datetime.now(UTC))
    days = choose_days(pipeline, calendar, first=first, last=last, newest=newest, say=say)
    with cancel_on_signals() as cancel:
        teller = Teller(pipeline, environment())
        try:
            patience = Patience(patience_seconds, say, sleep=cancel.wait)
            kept = keep_days(Keeping(config, days, logs, budget_seconds, teller, say), patience, cancel)
        except PenstockError as error:  # before any day was begun
            teller.tell_of([(days[-1], error)])
            raise
        teller.tell_of(
            (day.day, day.ended.error) for day in kept if day.ended is not None and day.ended.error is not None
        )
        seconds = time.monotonic() - began
        if as_json:
            click.echo(json.dumps(to_json(pipeline.name, kept, seconds), ensure_ascii=False))
        else:
            if sys.stdout.isatty() and sys.stderr.isatty():
                click.echo()  # between the bars and the table
            click.echo(format_kept(kept, style=style_for_stdout(), columns=line_characters()))
            click.echo(format_tally(pipeline.name, kept, seconds))
            if differences := format_differences(kept, style=style_for_stdout()):
                click.echo(differences)
        check_all_kept(pipeline.name, kept, cancel)
