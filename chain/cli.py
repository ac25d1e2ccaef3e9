"""The `penstock` command line.

Heavy libraries are imported by the command that runs, never for `--help`.
"""

from __future__ import annotations

import click

from chain.commands.backfill import backfill
from chain.commands.changed import changed
from chain.commands.config import config
from chain.commands.demo import demo
from chain.commands.demo_shop import demo_shop
from chain.commands.deploy import deploy
from chain.commands.diff import diff
from chain.commands.doctor import doctor
from chain.commands.gc import gc
from chain.commands.help import help_key
from chain.commands.history import history
from chain.commands.init import init
from chain.commands.keep import keep
from chain.commands.new import new
from chain.commands.pause import pause
from chain.commands.plan import plan
from chain.commands.report import report
from chain.commands.reprocess import reprocess
from chain.commands.resume import resume
from chain.commands.run import run
from chain.commands.status import status
from chain.commands.try_ import try_
from chain.commands.unpause import unpause
from chain.commands.verify import verify
from staging.version import VERSION


class _InOrder(click.Group):
    """Lists its commands in the order in which one needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names."""
        return list(self.commands)


@click.group(cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"]}, no_args_is_help=True)
@click.version_option(VERSION, prog_name="penstock")
def cli() -> None:
    """Read a day of a busy database once and gently.

    Penstock stages the day as Parquet, processes it by tasks, and writes the result back exactly once, proven to the
    cent.

    Every key of the pipeline file also comes from the environment (PENSTOCK_SOURCE__URL) and from --set source.url=…;
    the flag wins over the variable, the variable over the file.

    \b
    Exit codes:   0  done, or already done
                  1  a bug
                  2  usage
                  3  a day is late (status) or differs from the source (changed)
                 10  configuration or input
                 20  unavailable: try again
                 30  held or overtaken by another run
                 40  integrity: a person must look
    """  # noqa: D301 - click's help text: paragraphs, and \b keeps the last one as it is


for _command in (
    new,
    init,
    config,
    doctor,
    plan,
    try_,
    run,
    resume,
    reprocess,
    backfill,
    verify,
    diff,
    changed,
    keep,
    status,
    history,
    report,
    gc,
    pause,
    unpause,
    deploy,
    demo_shop,
    demo,
    help_key,
):
    cli.add_command(_command)
