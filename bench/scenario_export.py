"""How long one day of 5 million rows takes into 32 shards, beside other tools, and how much memory."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from bench.measure import Sample, alternate, ratio, run_job, run_peer
from bench.shops import DAY, fill_mariadb, fill_postgres, write_pipeline
from tests.servers.mariadb import MariadbServer
from tests.servers.postgres import PostgresServer

SHARDS = 32


def plain_url(url: str) -> str:
    """A SQLAlchemy URL as libpq and connectorx want it."""
    return url.replace("+psycopg", "").replace("mariadb+pymysql", "mysql").replace("mysql+pymysql", "mysql")


def penstock_export(config: Path, staging: Path, name: str) -> Sample:
    """Export the day anew; its objects are removed afterwards."""
    sample = run_job("exporter", config, DAY, name, "--fresh-export")
    shutil.rmtree(staging)
    staging.mkdir()
    return sample


def export_postgres(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Penstock against DuckDB's extension and connectorx."""
    database = fill_postgres(server, rows)
    url = server.url(database)
    staging = folder / "staging-postgres"
    config = write_pipeline(folder / "postgres.toml", source=url, staging=staging, shards=SHARDS)
    samples = alternate(
        rounds,
        {
            "penstock": lambda n: penstock_export(config, staging, f"postgres-{n}"),
            "duckdb postgres extension": lambda n: peer(folder, "duckdb_export.py", plain_url(url), n),
            "connectorx + polars": lambda n: peer(folder, "connectorx_export.py", plain_url(url), n),
        },
    )
    server.drop_database(database)
    return {"rows": rows, "samples": samples, "ratio": ratio(samples, "penstock", "duckdb postgres extension")}


def export_mariadb(server: MariadbServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Penstock against connectorx."""
    database = fill_mariadb(server, rows)
    url = server.url(database)
    staging = folder / "staging-mariadb"
    config = write_pipeline(folder / "mariadb.toml", source=url, staging=staging, shards=SHARDS)
    samples = alternate(
        rounds,
        {
            "penstock": lambda n: penstock_export(config, staging, f"mariadb-{n}"),
            "connectorx + polars": lambda n: peer(folder, "connectorx_export.py", plain_url(url), n),
        },
    )
    server.drop_database(database)
    return {"rows": rows, "samples": samples, "ratio": ratio(samples, "penstock", "connectorx + polars")}


def export_sizes(server: PostgresServer, folder: Path, sizes: list[int]) -> dict[str, Any]:
    """How time and memory grow with rows."""
    found = {}
    for rows in sizes:
        database = fill_postgres(server, rows)
        staging = folder / f"staging-{rows}"
        config = write_pipeline(
            folder / f"sizes-{rows}.toml", source=server.url(database), staging=staging, shards=SHARDS
        )
        found[rows] = penstock_export(config, staging, f"rows-{rows}")
        server.drop_database(database)
    return {"samples": found}


def export_wide(server: PostgresServer, folder: Path, rows: int) -> dict[str, Any]:
    """Memory for rows of 500 bytes in 64 shards."""
    database = fill_postgres(server, rows, extra_bytes=460)
    staging = folder / "staging-wide"
    config = write_pipeline(
        folder / "wide.toml", source=server.url(database), staging=staging, shards=64, columns='["amount", "note"]'
    )
    sample = penstock_export(config, staging, "wide")
    server.drop_database(database)
    return {"rows": rows, "samples": {"penstock": [sample]}}


def peer(folder: Path, script: str, url: str, number: int) -> Sample:
    """Run a peer into a folder that is removed afterwards."""
    out = folder / f"{script}-{number}"
    sample = run_peer(script, url, str(out), str(SHARDS))
    shutil.rmtree(out)
    return sample
