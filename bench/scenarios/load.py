"""Loading a million rows into an empty day, against the bare bulk load and merge of the same parts."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, text

from bench.measure import Sample, alternate, ratio, run, run_job, run_peer
from bench.shops import DAY, fill, write_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer

TASK = {"CLOUD_RUN_TASK_INDEX": "0", "CLOUD_RUN_TASK_COUNT": "1", "CLOUD_RUN_TASK_ATTEMPT": "0"}


def load(server: PostgresServer | MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Export and process a day of so many users once, then load it again and again into an emptied target."""
    database = fill(server, rows, users=rows)
    url, staging = server.url(database), folder / f"staging-load-{server.name}"
    config = write_pipeline(folder / f"load-{server.name}.toml", source=url, staging=staging, shards=8)
    run([sys.executable, "-m", "chain", "init", "--config", str(config)])
    run_job("exporter", config, DAY, "load-run")
    run_job("processor", config, DAY, "load-run", **TASK)
    parts = [str(path) for path in sorted(staging.glob("bench/day=*/run=*/part-*.parquet"))]

    def check() -> None:
        engine = create_engine(url)
        with engine.connect() as connection:
            found = connection.execute(text("SELECT COUNT(*) FROM revenue")).scalar_one()
        engine.dispose()
        if found != rows:
            raise RuntimeError(f"the target has {found} rows instead of {rows}")

    def empty() -> None:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE TABLE revenue"))
            connection.execute(text("DELETE FROM penstock_ledger"))
        engine.dispose()

    def penstock(_: int) -> Sample:
        empty()
        sample = run_job("loader", config, DAY, "load-run")
        check()
        return sample

    def bare(_: int) -> Sample:
        empty()
        sample = run_peer("bare_load.py", url, DAY, *parts)
        check()
        return sample

    samples = alternate(rounds, {"penstock": penstock, "bare bulk load + merge": bare})
    penstock(rounds)  # its ledger row is there now
    again = alternate(1, {"penstock": lambda _: run_job("loader", config, DAY, "load-run")})
    server.drop_database(database)
    shutil.rmtree(staging)
    return {
        "rows": rows,
        "samples": samples,
        "again": again,
        "ratio": ratio(samples, "penstock", "bare bulk load + merge"),
    }
