"""`penstock demo`."""

from __future__ import annotations

from pathlib import Path

import click

from chain.cli_options import DAY


@click.command(short_help="Make a shop in a folder, run a day, show the proof.")
@click.option(
    "--folder",
    default=".demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where shop, staging folder and logs go.",
)
@click.option("--day", default="2026-10-25", show_default=True, metavar=DAY, help="The day to run.")
def demo(folder: Path, day: str) -> None:
    """Make a shop in a folder, run a day, show the proof.

    The shop has 1,000,000 purchases; the ten top users of the day are shown. It needs no server: the shop is an
    SQLite file, staging is a folder. A second time the shop is used again.
    """
    from chain.demo.show import show_demo

    show_demo(folder, day)
