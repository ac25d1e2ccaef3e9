"""How long one day of 5 million rows takes into 32 shards, flat out, beside other tools and the server's own floor; and
how time and memory grow."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import Sample, alternate, ratio, run, run_job, run_peer
from bench.shops import DAY, fill_mysql_family, fill_postgres, write_pipeline
from tests.servers.mysql_family import USER as FAMILY_USER
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import USER as POSTGRES_USER
from tests.servers.postgres import PostgresServer
from tests.servers.programs import MYSQL_CACHED
from tests.servers.server import HOST, PASSWORD

SHARDS = 32
PENSTOCK, CONNECTORX, DLT = "penstock", "connectorx + polars", "dlt, connectorx backend"
RIVET = "rivet-cli, profile fast, into one file"
DUCKDB_POSTGRES, DUCKDB_MYSQL = "duckdb postgres extension", "duckdb mysql extension"
COPY, QUICK = "the server alone: COPY, binary, to nowhere", "the server alone: its client with --quick, to nowhere"
_COLUMNS = "SELECT user_id, purchased_at, amount FROM purchases WHERE purchased_at >= {} AND purchased_at < {}"


def plain_url(url: str) -> str:
    """A SQLAlchemy URL as libpq and connectorx want it."""
    return url.replace("+psycopg", "").replace("mariadb+pymysql", "mysql").replace("mysql+pymysql", "mysql")


def penstock_export(config: Path, staging: Path, name: str, **settings: str) -> Sample:
    """Export the day anew; its objects are removed afterwards."""
    sample = run_job("exporter", config, DAY, name, "--fresh-export", **settings)
    shutil.rmtree(staging)
    staging.mkdir()
    return sample


def flat_out(config: Path, staging: Path, name: str) -> Sample:
    """Export the day anew in one snapshot, without a pause."""
    return penstock_export(config, staging, name, PENSTOCK_EXPORT__READ="snapshot", PENSTOCK_PACING__GENTLE="replica")


def quick_client(server: MysqlFamilyServer, question: str, database: str) -> list[str]:
    """The command by which the server's own client asks and drops the answer, row by row."""
    program = ["mariadb"] if server.dialect == "mariadb" else cached_client()
    asked = ["--no-defaults", "-h", HOST, "-P", str(server.port), "-u", FAMILY_USER, "--quick", "--silent"]
    return ["sh", "-c", 'exec "$@" > /dev/null', "sh", *program, *asked, "-e", question, database]


def cached_client() -> list[str]:
    """The command that runs MySQL's client from the checkout's cache by its own loader."""
    loader = next((MYSQL_CACHED / "lib").glob("ld-linux-*"))
    return [str(loader), "--library-path", str(MYSQL_CACHED / "lib"), str(MYSQL_CACHED / "bin" / "mysql")]


def export_postgres(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Penstock against DuckDB's extension, connectorx, dlt, rivet, and the server's own floor."""
    database = fill_postgres(server, rows)
    url = server.url(database)
    question = _COLUMNS.format("'2026-11-14T00:00:00Z'", "'2026-11-15T00:00:00Z'")
    psql = ["psql", "-h", HOST, "-p", str(server.port), "-U", POSTGRES_USER, "-d", database, "-q", "-o", "/dev/null"]
    return _beside(
        server,
        database,
        folder,
        {
            DUCKDB_POSTGRES: lambda n: peer(folder, "duckdb_export.py", plain_url(url), n),
            CONNECTORX: lambda n: peer(folder, "connectorx_export.py", plain_url(url), n),
            DLT: lambda n: peer(folder, "dlt_export.py", url, n),
            RIVET: lambda n: peer(folder, "rivet_export.py", plain_url(url), n),
            COPY: lambda _: run(
                [*psql, "-c", f"COPY ({question}) TO STDOUT (FORMAT binary)"], {"PGPASSWORD": PASSWORD}
            )[0],
        },
        rows=rows,
        rounds=rounds,
    )


def export_many(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Penstock against DuckDB's extension where the start of a process does not count."""
    database = fill_postgres(server, rows)
    url = server.url(database)
    others = {DUCKDB_POSTGRES: lambda n: peer(folder, "duckdb_export.py", plain_url(url), n)}
    return _beside(server, database, folder, others, rows=rows, rounds=rounds)


def export_mysql_family(server: MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Penstock against connectorx, DuckDB's extension, dlt, the server's own floor, and rivet, which asks MariaDB for
    a variable of MySQL's."""
    database = fill_mysql_family(server, rows)
    url = server.url(database)
    question = _COLUMNS.format("'2026-11-14'", "'2026-11-15'")
    quick = quick_client(server, question, database)
    return _beside(
        server,
        database,
        folder,
        {
            CONNECTORX: lambda n: peer(folder, "connectorx_export.py", plain_url(url), n),
            DUCKDB_MYSQL: lambda n: peer(folder, "duckdb_mysql_export.py", plain_url(url), n),
            DLT: lambda n: peer(folder, "dlt_export.py", url, n),
            **(
                {RIVET: lambda n: peer(folder, "rivet_export.py", plain_url(url), n)}
                if server.dialect == "mysql"
                else {}
            ),
            QUICK: lambda _: run(quick, {"MYSQL_PWD": PASSWORD})[0],
        },
        rows=rows,
        rounds=rounds,
    )


def _beside(
    server: PostgresServer | MysqlFamilyServer,
    database: str,
    folder: Path,
    others: dict[str, Callable[[int], Sample]],
    *,
    rows: int,
    rounds: int,
) -> dict[str, Any]:
    staging = folder / f"staging-{server.name}"
    config = write_pipeline(folder / f"{server.name}.toml", source=server.url(database), staging=staging, shards=SHARDS)
    samples = alternate(rounds, {PENSTOCK: lambda n: flat_out(config, staging, f"{server.name}-{n}"), **others})
    server.drop_database(database)
    return {"rows": rows, "samples": samples, "ratios": {name: ratio(samples, PENSTOCK, name) for name in others}}


def export_sizes(server: PostgresServer, folder: Path, sizes: list[int]) -> dict[str, Any]:
    """How time and memory grow with rows."""
    found = {}
    for rows in sizes:
        database = fill_postgres(server, rows)
        staging = folder / f"staging-{rows}"
        config = write_pipeline(
            folder / f"sizes-{rows}.toml", source=server.url(database), staging=staging, shards=SHARDS
        )
        found[rows] = flat_out(config, staging, f"rows-{rows}")
        server.drop_database(database)
    return {"samples": found}


def export_wide(server: PostgresServer, folder: Path, rows: int) -> dict[str, Any]:
    """Memory for rows of 500 bytes in 64 shards, and for 1,000 shards."""
    database = fill_postgres(server, rows, extra_bytes=460)
    staging = folder / "staging-wide"
    config = write_pipeline(
        folder / "wide.toml", source=server.url(database), staging=staging, shards=64, columns='["amount", "note"]'
    )
    wide = flat_out(config, staging, "wide")
    many = write_pipeline(folder / "many.toml", source=server.url(database), staging=staging, shards=1000)
    shards = flat_out(many, staging, "many")
    server.drop_database(database)
    return {"rows": rows, "samples": {"penstock": [wide], "1000 shards": [shards]}}


def peer(folder: Path, script: str, url: str, number: int, *more: str) -> Sample:
    """Run a peer into a folder that is removed afterwards."""
    out = folder / f"{script}-{number}"
    sample = run_peer(script, url, str(out), str(SHARDS), *more)
    shutil.rmtree(out)
    return sample
