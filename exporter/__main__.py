"""The exporter as a command.

`penstock-exporter`, `python -m exporter`, a Cloud Run Job of one task.
"""

from __future__ import annotations

import os
from datetime import UTC, date, datetime
from pathlib import Path

import click

from exporter.pacing.give_way import give_way
from staging.config.file import load_pipeline
from staging.config.layers import module_folders
from staging.config.pipeline import Pipeline
from staging.documents.verdict import final_verdict
from staging.names import DayNames, check_id
from staging.open_store import open_store
from staging.process.cancel import Cancel, cancel_on_signals
from staging.process.entry import end_process, exit_now
from staging.process.phases import JobIdentity
from staging.process.progress import Progress
from staging.process.traced import traced_job
from staging.process.watched import run_watched
from staging.window import parse_day


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", "config", required=True, type=click.Path(path_type=Path), help="The pipeline file.")
@click.option("--day", required=True, help="Business day, YYYY-MM-DD.")
@click.option("--run-id", required=True, help="The run this export is for; all attempts of a run share it.")
@click.option("--fresh-export", is_flag=True, help="Read the day again though an export of it is committed.")
@click.option("--require-closed", is_flag=True, help="Refuse a day that is not over, with exit code 20.")
@click.option(
    "--most-reads",
    type=click.IntRange(min=1),
    help="How often a day is read that changes while it is read; then it is left, with exit code 20. [default: 3]",
)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the pipeline file.")
def command(
    config: Path,
    day: str,
    run_id: str,
    *,
    fresh_export: bool,
    require_closed: bool,
    most_reads: int | None,
    overrides: tuple[str, ...],
) -> None:
    """Export one business day of the source into Parquet shards."""

    def watched() -> None:
        pipeline = load_pipeline(config, environ=os.environ, overrides=overrides)
        parsed_day, checked_run = parse_day(day), check_id(run_id, of="run id")
        with traced_job(os.environ, pipeline.name, JobIdentity("exporter", checked_run, day)) as progress:
            work(pipeline, parsed_day, checked_run, progress)

    def work(pipeline: Pipeline, parsed_day: date, checked_run: str, progress: Progress) -> None:
        progress.say("starting")
        give_way(pipeline.pacing)
        # Importing these is most of a start: imported here, they give way, too, as do all threads that begin later.
        from exporter.export_day import Surroundings, export_day  # noqa: PLC0415
        from exporter.open_source import open_source  # noqa: PLC0415
        from exporter.port.question import MOST_READS  # noqa: PLC0415

        def export(cancel: Cancel) -> None:
            names = DayNames(pipeline.name, parsed_day)
            with (
                open_store(pipeline.staging.url) as store,
                final_verdict(store, names, checked_run, os.environ, lambda: datetime.now(UTC)),
            ):
                folders = module_folders(config, os.environ)
                around = Surroundings(store, open_source, lambda: datetime.now(UTC), cancel, progress, folders)
                settled = export_day(
                    pipeline,
                    parsed_day,
                    checked_run,
                    around,
                    fresh_export=fresh_export,
                    require_closed=require_closed,
                    most_reads=most_reads or MOST_READS,
                )
            click.echo(f"run {settled.run_id} uses export {settled.export_id}", err=True)

        with cancel_on_signals() as cancel:
            run_watched(lambda: export(cancel), cancel)

    # Not by returning: a library's thread that can't be stopped, or its destructors, must not keep or change anything.
    exit_now(end_process(watched))


def main() -> None:
    """Run the command; the process ends here with its exit code."""
    command()


if __name__ == "__main__":
    main()
