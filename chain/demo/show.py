"""The demo as people see it.

A shop, a day of it, top users and the proof.
"""

from __future__ import annotations

import shlex
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from chain.cli_options import environment, style_for_stdout
from chain.create_tables import create_tables
from chain.day.open_run import open_day_run
from chain.day.run import run_day
from chain.demo.pipeline import demo_pipeline, own_command, shown_path, write_demo_pipeline
from chain.demo.rows import DAYS, FIRST_DAY, TIMEZONE, Shop
from chain.demo.shop import fill_shop
from chain.views.figures import format_count, format_money, format_seconds
from chain.views.summary import format_summary
from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from staging.errors import InputError

_SHOP = Shop(seed=1, users=100_000, purchases=1_000_000)
_SHARDS = 8
_NEXT_DAY = "2026-10-26"
_TOP = """
SELECT users.name, users.country, revenue.revenue, revenue.purchases
FROM revenue JOIN users ON users.user_id = revenue.user_id
WHERE revenue.day = ?
ORDER BY CAST(REPLACE(revenue.revenue, '.', '') AS INTEGER) DESC, users.user_id LIMIT 10"""


def make_demo_shop(url: str, *, seed: int, users: int, purchases: int, replace: bool) -> None:
    """Fill a database, and say what is in it."""
    began = time.monotonic()
    fill_shop(url, Shop(seed, users, purchases), replace=replace, say=_say_on_stderr)
    create_tables(demo_pipeline(url), apply=True)
    click.echo(
        f"A shop with {format_count(users)} users and {format_count(purchases)} purchases on {DAYS} days from "
        f"{FIRST_DAY} ({TIMEZONE}), made in {format_seconds(time.monotonic() - began)}. "
        "Tables: users, purchases, and for what comes of them revenue and penstock_ledger."
    )


def show_demo(folder: Path, day: str) -> None:
    """Run the demo and show its proof.

    Make the shop where there is none, run the day, show top users, proof and what to try next.
    """
    folder = folder.absolute()
    config = folder / "shop.toml"
    style = style_for_stdout()
    pipeline = _prepare(folder, config)
    with open_day_run(pipeline, config, day, folder / "logs") as run:
        report = run_day(run, fresh_export=False)
    # 24 lines with a prompt below them: the headline stays on the smallest terminal there is.
    click.echo(format_summary(report, style=style, is_compact=True))
    click.echo(style(f"Ten top users of {report.day}, and what to try next", bold=True))
    click.echo(_top_users(folder / "shop.db", report.day.isoformat()))
    command, file = own_command(), shlex.quote(shown_path(config))
    click.echo(f"  {command} run --config {file} --day {_NEXT_DAY}")
    click.echo(f"  {command} reprocess --config {file} --day {report.day}")
    click.echo(f"  {command} verify --config {file} --day {report.day}")


def _prepare(folder: Path, config: Path) -> Pipeline:
    """Make shop, pipeline file, staging folder and tables where they are missing."""
    try:
        (folder / "staging").mkdir(parents=True, exist_ok=True)
        shop = folder / "shop.db"
        if not shop.exists():
            click.echo("Making a shop of 1,000,000 purchases.", err=True)
            # Under another name until it is whole, so that a demo that was stopped here begins again.
            unfinished = folder / "shop.db.unfinished"
            unfinished.unlink(missing_ok=True)
            fill_shop(f"sqlite:///{unfinished}", _SHOP, replace=False, say=lambda _: None)
            unfinished.rename(shop)
        if not config.exists():
            write_demo_pipeline(config, url=f"sqlite:///{shop}", staging=(folder / "staging").as_uri(), shards=_SHARDS)
    except OSError as exc:
        raise InputError(
            f"The demo can't be made in {folder}.", why=exc.strerror or str(exc), fix="Choose another --folder."
        ) from exc
    pipeline = load_pipeline(config, environ=environment())
    create_tables(pipeline, apply=True)
    return pipeline


def show_users(rows: Sequence[tuple[Any, ...]]) -> str:
    """Return lines of name, country, revenue and count of purchases."""
    shown = [
        (name, country, format_money(str(revenue)), format_count(purchases))
        for name, country, revenue, purchases in rows
    ]
    return "\n".join(
        f"  {name}  {country}  {revenue:>12}  {purchases:>5} purchases" for name, country, revenue, purchases in shown
    )


def _top_users(shop: Path, day: str) -> str:
    with closing(sqlite3.connect(shop)) as connection:
        return show_users(connection.execute(_TOP, (day,)).fetchall())


def _say_on_stderr(text: str) -> None:
    click.echo(text, err=True)
