"""The loader as a command.

`penstock-loader`, `python -m loader`, a Cloud Run Job of one task.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from staging.process.cancel import Cancel, cancel_on_signals
from staging.process.entry import end_process, exit_now

if TYPE_CHECKING:
    from loader.outcome import Outcome


@click.command(name="penstock-loader", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", required=True, type=click.Path(path_type=Path), help="The pipeline file.")
@click.option("--day", help="Business day, YYYY-MM-DD.")
@click.option("--run-id", help="The run whose parts are loaded.")
@click.option(
    "--still-loaded",
    multiple=True,
    metavar="DAY=RUN",
    help="Instead of --day and --run-id: prove that the target has what the run loaded; writes nothing; repeatable.",
)
@click.option("--allow-older", is_flag=True, help="Load though a newer export of the day is loaded.")
@click.option("--adopt-head", metavar="HEAD_ID", help="This run's head, where the ledger names another one.")
@click.option("--accept-change", is_flag=True, help="Load a day of far fewer or more rows than the last ones.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key of the pipeline file.")
def command(
    config: Path,
    day: str | None,
    run_id: str | None,
    *,
    still_loaded: tuple[str, ...],
    allow_older: bool,
    adopt_head: str | None,
    accept_change: bool,
    overrides: tuple[str, ...],
) -> None:
    """Replace one business day in the target table by the run's parts.

    All of it, once, proven to the cent.
    """
    if still_loaded and any((day, run_id, allow_older, adopt_head, accept_change)):
        raise click.UsageError(
            "--still-loaded stands for --day and --run-id, and writes nothing that is to be allowed."
        )
    if not still_loaded and (day is None or run_id is None):
        raise click.UsageError("--day and --run-id say what is loaded; both are needed.")

    def load(cancel: Cancel, day: str, run_id: str) -> Outcome:
        from loader.load_day import load_day  # noqa: PLC0415 - see below
        from staging.config.file import load_pipeline  # noqa: PLC0415
        from staging.documents.verdict import final_verdict  # noqa: PLC0415
        from staging.names import DayNames, check_id  # noqa: PLC0415
        from staging.open_store import open_store  # noqa: PLC0415
        from staging.process.phases import JobIdentity  # noqa: PLC0415
        from staging.process.traced import traced_job  # noqa: PLC0415
        from staging.window import parse_day  # noqa: PLC0415

        pipeline = load_pipeline(config, environ=os.environ, overrides=overrides)
        parsed_day, checked_run = parse_day(day), check_id(run_id, of="run id")
        names = DayNames(pipeline.name, parsed_day)
        with (
            traced_job(os.environ, pipeline.name, JobIdentity("loader", checked_run, day)) as progress,
            open_store(pipeline.staging.url) as store,
            final_verdict(store, names, checked_run, os.environ, lambda: datetime.now(UTC)),
        ):
            return load_day(
                pipeline,
                parsed_day,
                checked_run,
                store=store,
                now=lambda: datetime.now(UTC),
                cancel=cancel,
                say=_say,
                allow_older=allow_older,
                adopt_head=adopt_head,
                accept_change=accept_change,
                progress=progress,
            )

    def prove(cancel: Cancel) -> None:
        from loader.still_loaded import check_still_loaded, parse_loaded  # noqa: PLC0415 - see below
        from staging.config.file import load_pipeline  # noqa: PLC0415
        from staging.open_store import open_store  # noqa: PLC0415
        from staging.process.progress import Progress  # noqa: PLC0415

        pipeline = load_pipeline(config, environ=os.environ, overrides=overrides)
        loaded = [parse_loaded(each) for each in still_loaded]
        with open_store(pipeline.staging.url) as store:
            check_still_loaded(
                pipeline,
                loaded,
                store=store,
                now=lambda: datetime.now(UTC),
                cancel=cancel,
                say=_say,
                progress=Progress.from_environment(os.environ),
            )

    def watched() -> None:
        with cancel_on_signals() as early:
            # Imports take a second or more: a signal that comes during them is handled after them.
            from loader import load_day  # noqa: F401, PLC0415
            from staging.process.watched import run_watched  # noqa: PLC0415

            # polars, when it is imported, puts a SIGINT handler of its own before ours; entering again puts ours first.
            with cancel_on_signals() as cancel:
                early.check()
                if day is None or run_id is None:
                    run_watched(lambda: prove(cancel), cancel)
                    return
                outcome = run_watched(lambda: load(cancel, day, run_id), cancel)
        _say(_summary(outcome))
        click.echo(outcome.loaded.model_dump_json())

    # Not by returning: a driver's call that can't be stopped must not keep the process.
    exit_now(end_process(watched))


def main() -> None:
    """Run the command; the process ends here with its exit code."""
    command()


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _summary(outcome: Outcome) -> str:
    loaded = outcome.loaded
    if outcome.already:
        return f"{loaded.day} was loaded by run {loaded.run_id} already: {loaded.rows} rows, nothing written."
    return (
        f"{loaded.day} is loaded: {loaded.rows} rows; {loaded.inserted} inserted, {loaded.updated} updated, "
        f"{loaded.deleted} deleted."
    )


if __name__ == "__main__":
    main()
