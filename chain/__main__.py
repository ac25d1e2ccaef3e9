"""Starts the command line; the only place that turns its end into an exit code."""

from __future__ import annotations

import os

import click

from chain.cli import cli
from staging.entry import end_process, exit_now
from staging.errors import ExitCode


def main() -> None:
    """Run `penstock`."""
    code = 0

    def run() -> None:
        nonlocal code
        try:
            code = cli.main(prog_name="penstock", standalone_mode=False, obj=dict(os.environ)) or 0
        except click.ClickException as error:
            error.show()
            code = error.exit_code
        except (click.Abort, KeyboardInterrupt):
            click.echo("error: Stopped on request.", err=True)
            code = ExitCode.UNAVAILABLE

    exit_now(end_process(run) or int(code))


if __name__ == "__main__":
    main()
