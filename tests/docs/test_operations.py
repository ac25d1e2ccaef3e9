"""The page on operations: its commands are typed on a shop of PostgreSQL's, and say what the page shows."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import NullPool, create_engine, text

from tests.chain.gc.test_plan import make_older
from tests.docs.reader import DOCS, Reader
from tests.shop.purchases import create_purchases
from tests.staging.telemetry.otlp import http_receiver

pytestmark = pytest.mark.integration

PAGE = (DOCS / "operations.md").read_text("utf-8")
DAYS = ("2026-10-24", "2026-10-25", "2026-10-26", *(f"2026-11-{day}" for day in range(10, 15)))
PIPELINE = """\
name = "daily_revenue"
[source]
url = "env:SHOP_URL"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "{staging}"
[export]
shards = 2
[process]
transform = "own:totals"
[target]
url = "env:SHOP_URL"
table = "revenue"
"""
OWN = """\
from datetime import date

import polars as pl

from penstock import Contract, Day, Transform

MONEY = pl.Decimal(28, 2)


def contract(day):
    schema = pl.Schema({"user_id": pl.Int64(), "revenue": MONEY})
    return Contract(schema=schema, key="user_id", conserves={"revenue": "amount"})


def apply(rows, day):
    if day.day == date(2026, 10, 26):
        rows = rows.map_batches(refuse)
    return rows.group_by("user_id").agg(revenue=pl.col("amount").cast(MONEY).sum().cast(MONEY))


def refuse(frame):
    if 3 in frame["user_id"]:  # of one shard alone, as the page has it
        raise KeyError("a country that nobody has heard of")
    return frame


totals = Transform(contract=contract, apply=apply)
"""


def test_every_command_of_the_page_does_what_it_says(postgres_database: str, tmp_path: Path) -> None:
    engine = create_engine(postgres_database, poolclass=NullPool)

    def change(*statements: str) -> None:
        with engine.begin() as shop:
            for statement in statements:
                shop.execute(text(statement))

    create_purchases(postgres_database, columns={"id": "serial", "purchased_at": "timestamp NOT NULL"})
    change(
        *(
            "INSERT INTO purchases (user_id, amount, purchased_at)"
            f" SELECT n % 17, n * 0.37, '{day} 08:00'::timestamp + n * interval '1 minute'"
            " FROM generate_series(1, 300) n"
            for day in DAYS
        )
    )
    reader = Reader(tmp_path)
    (tmp_path / "daily_revenue.toml").write_text(PIPELINE.format(staging=(tmp_path / "staging").as_uri()))
    (tmp_path / "own.py").write_text(OWN)
    reader.environ["SHOP_URL"] = postgres_database
    reader.run("penstock init")
    reader.run("penstock run --day 2026-10-24")
    reader.run("penstock backfill --from 2026-11-11 --to 2026-11-12")
    reader.figures = False
    reader.instead = {"--last 4": "--from 2026-11-10 --to 2026-11-13"}
    reader.ends = {"penstock backfill": 10, "penstock changed": 3}
    reader.before = {
        "penstock changed": lambda: change(
            "INSERT INTO purchases (user_id, amount, purchased_at) VALUES (3, 11.01, '2026-11-12 09:00')",
            "UPDATE purchases SET amount = amount + 1 WHERE purchased_at = '2026-11-11 08:01'",
            "UPDATE purchases SET amount = amount - 1 WHERE purchased_at = '2026-11-11 08:02'",
        ),
        "penstock gc": lambda: make_older(tmp_path / "staging", "daily_revenue", timedelta(days=40)),
    }
    reader.environ["OTEL_BSP_EXPORT_TIMEOUT"] = "60000"  # ms, for a machine that is busy
    with http_receiver() as received:
        reader.instead["http://collector:4318"] = received.address
        assert reader.follow_text(PAGE) == 7
    assert len(received.named("daily_revenue day")) == 1
