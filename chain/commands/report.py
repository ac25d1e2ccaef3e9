"""`penstock report`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from chain.cli_options import DAY, common, environment


@click.command(short_help="Write an HTML page of a day or of a range of days.")
@common
@click.option("--day", metavar=DAY, help="The day.")
@click.option("--from", "first", metavar=DAY, help="The first day of a range, inclusive.")
@click.option("--to", "last", metavar=DAY, help="The last day, inclusive.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="The file to write. [default: report-PIPELINE-DAY.html]",
)
def report(
    config: Path,
    overrides: Sequence[str],
    *,
    day: str | None,
    first: str | None,
    last: str | None,
    out: Path | None,
) -> None:
    """Write one HTML page of a day or days.

    It has the proof, when tasks and attempts ran, what reading waited for, shards, what changed since the last export,
    versions and cost. It opens without a network, light and dark, on a phone, too. It reads only the bucket.
    """
    from datetime import UTC, datetime

    from chain.calendar import calendar_of
    from chain.report.write import write_report
    from chain.views.figures import plural
    from staging.config.file import load_pipeline
    from staging.errors import UsageError

    pipeline = load_pipeline(config, environ=environment(), overrides=overrides)
    now = datetime.now(UTC)
    calendar = calendar_of(pipeline, now)
    if (day is None) == (first is None) or (last is not None and first is None):
        raise UsageError("Give --day, or --from and --to.", why="A page is of one day, or of a range.")
    begin = calendar.read_day(str(day or first))
    end = calendar.read_day(last) if last else begin if day else calendar.today
    name = f"{begin}" if begin == end else f"{begin}_{end}"
    path = out or Path(f"report-{pipeline.name}-{name}.html")
    days = write_report(pipeline, begin, end, path, now)
    click.echo(f"{path}: {plural(days, 'day')}")
