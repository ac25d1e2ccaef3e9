"""What an export costs the server: its processor seconds, sealed slices against one snapshot, and one day of ten; and
the longest of its statements."""

from __future__ import annotations

import re
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.measure import run
from bench.processes import server_cpu_seconds
from bench.scenarios.export import SHARDS, peer, penstock_export, plain_url, quick_client
from bench.shops import fill, fill_mysql_family, fill_postgres, write_pipeline
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.servers.server import PASSWORD

SEALED, SNAPSHOT = "sealed slices", "one snapshot"
_AT_REST_SECONDS = 0.02
DEFAULT, RIVET_DEFAULT = "Penstock, as by default", "rivet-cli, in chunks as `rivet init` writes them"
OURS, BY_TIME = "Penstock, one snapshot", "one statement over the time index"


def sealed(server: PostgresServer | MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Server CPU of a flat-out export in sealed slices and in one snapshot."""
    database = fill(server, rows)
    staging = folder / f"staging-sealed-{server.name}"
    config = write_pipeline(
        folder / f"sealed-{server.name}.toml", source=server.url(database), staging=staging, shards=SHARDS
    )

    def export(read: str) -> Callable[[int], Any]:
        return lambda n: penstock_export(
            config, staging, f"{read}-{n}", PENSTOCK_EXPORT__READ=read, PENSTOCK_PACING__GENTLE="replica"
        )

    found = _server_seconds(server, rounds, {SEALED: export("slices"), SNAPSHOT: export("snapshot")})
    server.drop_database(database)
    return {"rows": rows, "server_seconds": found, "ratio": _ratio(found, SEALED, SNAPSHOT)}


def one_day_of_ten(server: MysqlFamilyServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """Server CPU of one day out of ten: ours against one statement that is made to use the time column's index."""
    database = fill_mysql_family(server, rows, days=10)
    staging = folder / "staging-ten"
    config = write_pipeline(folder / "ten.toml", source=server.url(database), staging=staging, shards=SHARDS)
    question = (
        "SELECT user_id, purchased_at, amount FROM purchases FORCE INDEX (purchased_at)"
        " WHERE purchased_at >= '2026-11-14' AND purchased_at < '2026-11-15'"
    )
    quick = quick_client(server, question, database)
    _wait_for_rest(server)
    found = _server_seconds(
        server,
        rounds,
        {
            OURS: lambda n: penstock_export(
                config, staging, f"ten-{n}", PENSTOCK_EXPORT__READ="snapshot", PENSTOCK_PACING__GENTLE="replica"
            ),
            BY_TIME: lambda _: run(quick, {"MYSQL_PWD": PASSWORD}),
        },
    )
    server.drop_database(database)
    return {"rows": rows, "server_seconds": found, "ratio": _ratio(found, OURS, BY_TIME)}


def _wait_for_rest(server: MysqlFamilyServer) -> None:
    """Let the server write and purge what is left of filling the table: that is no cost of a read."""
    busy_seconds = 1.0
    while busy_seconds > _AT_REST_SECONDS:
        before = server_cpu_seconds(server)
        time.sleep(2)
        busy_seconds = server_cpu_seconds(server) - before


def _server_seconds(
    server: PostgresServer | MysqlFamilyServer, rounds: int, works: dict[str, Callable[[int], Any]]
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            before = server_cpu_seconds(server)
            work(number)
            found[name].append(round(server_cpu_seconds(server) - before, 2))
            print(f"  round {number} {name}: {found[name][-1]:.2f} s of the server", file=sys.stderr, flush=True)
    return found


def _ratio(found: dict[str, list[float]], ours: str, other: str) -> float:
    return statistics.median(a / b for a, b in zip(found[ours], found[other], strict=True))


def longest(server: PostgresServer, folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """The longest single statement of an export as it is by default, by the server's own log, in milliseconds."""
    database = fill_postgres(server, rows)
    with server.connect(database) as connection:
        connection.execute(f"ALTER DATABASE {database} SET log_min_duration_statement = 0")
    url, staging = server.url(database), folder / "staging-longest"
    config = write_pipeline(folder / "longest.toml", source=url, staging=staging, shards=SHARDS)
    works: dict[str, Callable[[int], object]] = {
        DEFAULT: lambda n: penstock_export(config, staging, f"longest-{n}"),
        RIVET_DEFAULT: lambda n: peer(folder, "rivet_export.py", plain_url(url), n, "chunks"),
    }
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in works.items():
            before = len(server.log())
            work(number)
            durations = re.findall(r"LOG:  duration: ([0-9.]+) ms", server.log()[before:])
            found[name].append(max(map(float, durations)))
            print(f"  round {number} {name}: {found[name][-1]:.1f} ms", file=sys.stderr, flush=True)
    server.drop_database(database)
    return {"rows": rows, "longest_ms": found}
