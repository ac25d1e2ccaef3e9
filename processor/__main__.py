"""Runs one task of a Cloud Run job: `penstock-processor`.

It reads the environment once, and ends without running destructors.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from staging.process.cancel import cancel_on_signals
from staging.process.entry import end_process, exit_now


@click.command(name="penstock-processor", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--config", type=click.Path(path_type=Path), required=True, help="The pipeline file.")
@click.option("--day", required=True, help="Business day, YYYY-MM-DD.")
@click.option("--run-id", required=True, help="The run whose export is processed and whose parts are written.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Overrides a key of the file; repeatable.")
def main(config: Path, day: str, run_id: str, overrides: tuple[str, ...]) -> None:
    """Process the shards of this task.

    These are numbered CLOUD_RUN_TASK_INDEX, plus multiples of CLOUD_RUN_TASK_COUNT. Cloud Run sets both, and
    CLOUD_RUN_TASK_ATTEMPT. The task connects to the staging bucket only, never to a database.
    """
    exit_now(end_process(lambda: _run(config, day, run_id, overrides)))


def _run(config: Path, day: str, run_id: str, overrides: tuple[str, ...]) -> None:
    with cancel_on_signals() as early:
        # Wrong settings are reported before the slow imports; and a signal that comes during these is not lost.
        from processor.start import read_start  # noqa: PLC0415

        environ = dict(os.environ)
        start = read_start(config, day, run_id, environ=environ, overrides=overrides)
        from processor.run_task import run_task  # noqa: PLC0415

        # polars, when it is imported, puts a SIGINT handler of its own before ours; entering again puts ours first.
        # A random name: a task that was killed has left its folder, and its process number is given out again.
        with (
            cancel_on_signals() as cancel,
            TemporaryDirectory(prefix="penstock-processor-", ignore_cleanup_errors=True) as scratch,
        ):
            early.check()
            run_task(start, environ, Path(scratch), cancel, say=lambda line: print(line, file=sys.stderr, flush=True))


if __name__ == "__main__":
    main()
