"""What it costs the server to say which of many stored days have changed, against exporting all of them again."""

from __future__ import annotations

import json
import random
import sys
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from bench.measure import run, run_job
from bench.processes import server_cpu_seconds
from bench.scenarios.felt import NOBODY, latencies
from bench.shops import DAY, fill, write_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer

CHANGED_DAYS = 7
LOOKING = "`penstock changed`"
_ALONE_SECONDS = 12
_DIFFERS = 3  # exit code of `penstock changed` where a day changed


def changed(server: PostgresServer | MysqlFamilyServer, folder: Path, days: int, rows: int) -> dict[str, Any]:
    """Export so many days of so many rows, change seven of them, and look; RuntimeError unless exactly these are named."""
    database = fill(server, days * rows, days=days)
    staging = folder / "staging"
    config = write_pipeline(folder / "changed.toml", source=server.url(database), staging=staging, shards=4)
    every = [date.fromisoformat(DAY) - timedelta(days=number) for number in reversed(range(days))]
    before = server_cpu_seconds(server)
    for number, day in enumerate(every):
        run_job("exporter", config, str(day), f"day-{number:04d}")
    exported = server_cpu_seconds(server) - before
    touched = sorted(random.Random(7).sample(every, CHANGED_DAYS))
    _touch(server, database, touched, rows=rows, every=every)
    before = server_cpu_seconds(server)
    asked = ["changed", "--config", str(config), "--from", str(every[0]), "--to", str(every[-1]), "--json"]
    sample, printed = run([sys.executable, "-m", "chain", *asked], codes=(_DIFFERS,))
    looked = server_cpu_seconds(server) - before
    found = [each["day"] for each in json.loads(printed)["days"] if each["outcome"] == "changed"]
    if found != list(map(str, touched)):
        raise RuntimeError(f"{found} are named, {touched} were changed")
    alone = latencies(server.url(database), lambda: time.sleep(_ALONE_SECONDS))
    beside = latencies(server.url(database), lambda: run([sys.executable, "-m", "chain", *asked], codes=(_DIFFERS,)))
    print(f"  exported {exported:.2f} s of the server, looked {looked:.2f} s", file=sys.stderr, flush=True)
    server.drop_database(database)
    return {
        "days": days,
        "rows": rows,
        "server_seconds": {"export": round(exported, 2), "look": round(looked, 2)},
        "ratio": looked / exported,
        "samples": {"penstock changed": [sample]},
        "felt": {NOBODY: alone, LOOKING: beside},
    }


def _touch(
    server: PostgresServer | MysqlFamilyServer, database: str, days: list[date], *, rows: int, every: list[date]
) -> None:
    """A late row, an edit or a deletion in each of the days."""
    with server.connect(database) as connection, connection.cursor() as cursor:
        for number, day in enumerate(days):
            number_of_day = every.index(day)
            purchase = number_of_day * rows + rows // 2
            late = f"{len(every) * rows + 1 + number}, 7, 1.00, '{day} 12:00:00'"
            statements = (
                f"INSERT INTO purchases (purchase_id, user_id, amount, purchased_at) VALUES ({late})",
                f"UPDATE purchases SET amount = amount + 1 WHERE purchase_id = {purchase}",
                f"DELETE FROM purchases WHERE purchase_id = {purchase}",
            )
            cursor.execute(statements[number % len(statements)])
        connection.commit()
