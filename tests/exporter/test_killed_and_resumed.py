"""Exporters killed at a hundred moments of their life on real servers: `resume` brings the day to the right revenue.

25 moments each on PostgreSQL and MariaDB, in slices and in a snapshot. Whatever was left is what `gc` knows of, and
nothing of ours runs on at the server.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exporter.killed_exports import ServerDay, ServerShop, kill_and_resume, server_shop
from tests.servers.mariadb import MariadbServer
from tests.servers.mysql import MysqlServer
from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration

MOMENTS = 25
LEAN = {
    ("postgres", "slices"): 5,
    ("postgres", "snapshot"): 6,
    ("mariadb", "slices"): 4,
    ("mariadb", "snapshot"): 8,
    ("mysql", "slices"): 7,
}
"""The one of each that is in every run."""


@pytest.fixture(scope="module")
def postgres_shop(postgres_server: PostgresServer) -> Iterator[ServerShop]:
    yield from server_shop(postgres_server.create_database, postgres_server.drop_database, postgres_server.url)


@pytest.fixture(scope="module")
def mariadb_shop(mariadb_server: MariadbServer) -> Iterator[ServerShop]:
    yield from server_shop(mariadb_server.create_database, mariadb_server.drop_database, mariadb_server.url)


@pytest.fixture(scope="module")
def mysql_shop(mysql_server: MysqlServer) -> Iterator[ServerShop]:
    yield from server_shop(mysql_server.create_database, mysql_server.drop_database, mysql_server.url)


@pytest.mark.parametrize(("database", "read", "seed"), [(*way, seed) for way, seed in LEAN.items()])
@pytest.mark.fault("killed", step=("export", "chain"))
def test_an_exporter_killed_at_any_moment_is_resumed_to_the_right_revenue(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, read: str, seed: int
) -> None:
    kill_and_resume(ServerDay(request.getfixturevalue(f"{database}_shop"), tmp_path, read), read, seed)


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("database", "read", "seed"),
    [(*way, seed) for way, lean in LEAN.items() for seed in range(MOMENTS) if seed != lean]
    + [("mysql", "snapshot", seed) for seed in range(MOMENTS)],
)
@pytest.mark.fault("killed", step=("export", "chain"))
def test_an_exporter_killed_at_any_other_moment_is_resumed_to_the_right_revenue(
    request: pytest.FixtureRequest, tmp_path: Path, database: str, read: str, seed: int
) -> None:
    kill_and_resume(ServerDay(request.getfixturevalue(f"{database}_shop"), tmp_path, read), read, seed)
