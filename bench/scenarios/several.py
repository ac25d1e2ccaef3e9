"""Several tables of one instant against the same rows in one table; and a month of stored days against bare polars."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.measure import BENCH, Sample, alternate, ratio, run, run_job
from bench.scenarios.export import flat_out
from bench.shops import BESIDE, add_tables_beside, fill_postgres, fill_sqlite, write_pipeline
from tests.servers.postgres import PostgresServer

SHARDS = 32
SEVERAL, ONE = "three tables", "one table of as many rows"
MONTH, BARE = "penstock run --month", "bare polars"
FIRST = date(2026, 10, 1)

_MONTHLY = """
name = "monthly"
[source]
exports = "bench"
window = "month"
allow_missing = true
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "UTC"
[staging]
url = "{staging}"
[target]
parquet = "{target}"
"""


def several(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Export `rows` purchases, a fifth as many refunds and a fiftieth as many users, flat out in one snapshot."""
    database = fill_postgres(server, rows)
    refunds, users = add_tables_beside(server, database, rows)
    with server.connect(database) as connection:
        connection.execute(
            "CREATE TABLE all_rows AS SELECT purchase_id, user_id, amount, purchased_at FROM purchases"
            " UNION ALL SELECT purchase_id, user_id, amount, refunded_at FROM refunds"
            " UNION ALL SELECT id, id, 1.00::numeric(12,2), '2026-11-14T12:00:00Z'::timestamptz FROM users"
        )
        connection.execute("ALTER TABLE all_rows ALTER user_id SET NOT NULL, ALTER amount TYPE numeric(12,2)")
        connection.execute("CREATE INDEX ON all_rows (purchased_at)")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    staging = folder / "staging"
    url = server.url(database)
    one = write_pipeline(folder / "one.toml", source=url, staging=staging, shards=SHARDS, table="all_rows")
    three = write_pipeline(folder / "three.toml", source=url, staging=staging, shards=SHARDS, more=BESIDE)
    samples = alternate(
        rounds,
        {
            SEVERAL: lambda n: flat_out(three, staging, f"three-{n}"),
            ONE: lambda n: flat_out(one, staging, f"one-{n}"),
        },
    )
    server.drop_database(database)
    return {
        "rows": {"purchases": rows, "refunds": refunds, "users": users},
        "samples": samples,
        "ratio": ratio(samples, SEVERAL, ONE),
    }


def month(folder: Path, *, rows: int, rounds: int) -> dict[str, Any]:
    """Run October of 30 stored days of so many rows into Parquet files, and do the same by polars alone."""
    days = 30
    url = fill_sqlite(folder / "shop.sqlite", FIRST, days, rows)
    staging = folder / "staging"
    daily = write_pipeline(folder / "daily.toml", source=url, staging=staging, shards=4)
    for number in range(days):
        run_job("exporter", daily, str(FIRST + timedelta(days=number)), f"day-{number:04d}")
    target = folder / "target"
    monthly = folder / "monthly.toml"
    monthly.write_text(_MONTHLY.format(staging=staging.as_uri(), target=target.as_uri()), encoding="utf-8")

    def ours(number: int) -> Sample:
        command = "reprocess" if number else "run"
        penstock = [sys.executable, "-m", "chain", command, "--config", str(monthly), "--month", "2026-10"]
        return run(penstock, {"PENSTOCK_LOGS": str(folder / "logs")})[0]

    def bare(number: int) -> Sample:
        script = str(BENCH / "month_child.py")
        return run([sys.executable, script, str(staging / "bench"), str(folder / f"bare-{number}.parquet")])[0]

    return {"days": days, "rows": rows, "samples": alternate(rounds, {MONTH: ours, BARE: bare})}
