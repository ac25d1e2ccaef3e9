"""`penstock demo-shop`."""

from __future__ import annotations

import click


@click.command("demo-shop", short_help="Fill a database with a shop of 1,000,000 purchases.")
@click.option("--url", required=True, help="SQLAlchemy URL of an SQLite, PostgreSQL, MySQL or MariaDB database.")
@click.option(
    "--seed",
    default=1,
    show_default=True,
    type=click.IntRange(0, 2**31),
    help="Another seed, another shop; the same seed, the same rows.",
)
@click.option(
    "--users", default=100_000, show_default=True, type=click.IntRange(1, 4_000_000), help="Users, with ids from 0."
)
@click.option(
    "--purchases", default=1_000_000, show_default=True, type=click.IntRange(1, 10**9), help="Purchases, over ten days."
)
@click.option("--replace", is_flag=True, help="Drop the tables Users, Purchases and Revenue first if they are there.")
def demo_shop(url: str, seed: int, users: int, purchases: int, *, replace: bool) -> None:
    """Fill a database with a shop: tables Users, Purchases and Revenue.

    Ten days around the end of daylight-saving time in Berlin, 2026-10-20 to 2026-10-29: the 25th has 25 hours.
    Few users buy much, most buy little; some purchases are refunded, cancelled or still pending.
    """
    from chain.demo.show import make_demo_shop

    make_demo_shop(url, seed=seed, users=users, purchases=purchases, replace=replace)
