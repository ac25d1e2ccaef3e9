"""A whole day, from the table to the target, against a bare script that keeps and proves nothing."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import Sample, alternate, ratio, run, run_peer
from bench.scenarios.export import plain_url
from bench.shops import DAY, NEXT_DAY, fill_postgres, write_pipeline
from tests.servers.postgres import PostgresServer

SHARDS = 8
OURS, BARE = "penstock run", "a bare DuckDB script"
EMPTY, THERE = "into an empty day", "into a day that is there"


def whole_day(server: PostgresServer, folder: Path, rows: int, users: int, rounds: int) -> dict[str, Any]:
    """Bring a day of `rows` to the revenue of about `users`: exported, staged, processed, loaded, proven.

    Both write the same rows. In a stored day everything is there already: the bare script deletes and inserts it anew,
    Penstock compares.
    """
    database = fill_postgres(server, rows, users=users)
    url, staging = server.url(database), folder / "staging-whole"
    config = write_pipeline(folder / "whole.toml", source=url, staging=staging, shards=SHARDS)
    penstock = [sys.executable, "-m", "chain"]
    run([*penstock, "init", "--config", str(config)])

    def ours(*more: str) -> Sample:
        settings = {"PENSTOCK_PACING__GENTLE": "replica", "PENSTOCK_LOGS": str(folder / "logs")}
        return run([*penstock, "run", "--config", str(config), "--day", DAY, *more], settings)[0]

    def bare() -> Sample:
        return run_peer("duckdb_day.py", plain_url(url), DAY, NEXT_DAY)

    def emptied(work: Callable[[], Sample]) -> Sample:
        with server.connect(database) as connection:
            connection.execute("TRUNCATE TABLE revenue, penstock_ledger")
        shutil.rmtree(staging)
        staging.mkdir()
        sample = work()
        _check(server, database, rows)
        return sample

    def again(work: Callable[[], Sample]) -> Sample:
        sample = work()
        _check(server, database, rows)
        return sample

    empty = alternate(rounds, {OURS: lambda _: emptied(ours), BARE: lambda _: emptied(bare)})
    emptied(ours)
    there = alternate(rounds, {OURS: lambda _: again(lambda: ours("--fresh-export")), BARE: lambda _: again(bare)})
    server.drop_database(database)
    return {
        "rows": rows,
        "users": users,
        "samples": {EMPTY: empty, THERE: there},
        "ratios": {EMPTY: ratio(empty, OURS, BARE), THERE: ratio(there, OURS, BARE)},
    }


def _check(server: PostgresServer, database: str, rows: int) -> None:
    with server.connect(database) as connection:
        ((is_right,),) = connection.execute(
            "SELECT (SELECT (sum(purchases), sum(revenue)) FROM revenue) = (SELECT (count(*)::numeric, sum(amount)) FROM purchases)"
        ).fetchall()
    if not is_right:
        raise RuntimeError(f"the target does not hold the revenue of {rows} rows")
