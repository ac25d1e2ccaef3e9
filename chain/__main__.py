"""Starts the command line.

The only place that turns its end into an exit code.
"""

from __future__ import annotations

import gc
import os
import signal
import sys

from chain.jobs.local.early_start import NO_PLUGINS, begin_early, take_begun

_MANY_OBJECTS = 20_000
"""New objects before a garbage collection. A command's imports stay: collecting them costs a tenth of a start."""


def main() -> None:
    """Run `penstock`."""
    code = 0
    gc.set_threshold(_MANY_OBJECTS)
    environ = dict(os.environ)
    begin_early(sys.argv[1:], environ)
    os.environ.update(NO_PLUGINS)
    # After it, so that both import at the same time.
    import click  # noqa: PLC0415

    from chain.cli import cli  # noqa: PLC0415
    from chain.views.json_errors import json_errors  # noqa: PLC0415
    from staging.errors import ExitCode, UsageError  # noqa: PLC0415
    from staging.process.entry import end_process, exit_now  # noqa: PLC0415

    def run() -> None:
        nonlocal code
        try:
            code = cli.main(prog_name="penstock", standalone_mode=False, obj=environ) or 0
        except click.ClickException as error:
            error.show()
            tell_in_json(UsageError(error.format_message(), fix="--help says how it is written."))
            code = error.exit_code
        except click.Abort:  # what click makes of Ctrl-C
            raise KeyboardInterrupt from None
        except SystemExit:  # what click does when nobody reads standard output any more
            code = ExitCode.UNAVAILABLE

    # Until a command handles signals itself, SIGTERM acts like Ctrl-C.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with json_errors(sys.argv[1:]) as tell_in_json:
        code = end_process(run, also=tell_in_json) or int(code)
    if begun := take_begun():  # the command ended before it needed jobs
        begun.end()
    exit_now(code)


if __name__ == "__main__":
    main()
