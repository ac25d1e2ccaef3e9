"""`penstock demo`."""

from __future__ import annotations

from pathlib import Path

import click

from chain.cli_options import DAY


@click.command(short_help="Make a shop, run a day of it, show the proof.")
@click.option(
    "--folder",
    default=".demo",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where shop, staging folder and logs go.",
)
@click.option("--day", default="2026-10-25", show_default=True, metavar=DAY, help="The day to run.")
@click.option(
    "--url",
    metavar="URL",
    help="A database of yours that gets the shop: PostgreSQL, MySQL or MariaDB. Also env:NAME or file:/path.",
)
@click.option("--remove", is_flag=True, help="With --url: drop the demo's tables there, and nothing else.")
def demo(folder: Path, day: str, url: str | None, *, remove: bool) -> None:
    """Make a shop, run a day of it, show the proof.

    The shop has 1,000,000 purchases; the ten top users of the day are shown. It needs no server: the shop is an
    SQLite file, staging is a folder. A second time the shop is used again.

    With --url the shop is in your database, with 100,000 purchases, in tables of its own: penstock_demo_users,
    penstock_demo_purchases, penstock_demo_revenue and penstock_demo_ledger. Tables of these names that the demo did
    not make are refused.
    """
    if url is None:
        if remove:
            raise click.UsageError("--remove goes with --url; a demo in a folder goes with its folder.")
        from chain.demo.show import show_demo

        show_demo(folder, day)
        return
    from chain.demo.on_server import remove_demo_from_server, show_demo_on_server

    if remove:
        remove_demo_from_server(url, folder)
    else:
        show_demo_on_server(url, folder, day)
