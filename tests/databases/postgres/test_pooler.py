"""Real pgbouncer before a real PostgreSQL: what shares its servers is found before anything is set on one."""

from __future__ import annotations

from collections.abc import Callable

import psycopg
import pytest

from exporter.open_source import open_source
from staging.errors import InputError
from tests.servers.pgbouncer import PgbouncerServer
from tests.servers.postgres import PostgresServer
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration
Start = Callable[..., PgbouncerServer]
_SETTINGS = b"SELECT name, setting, source FROM pg_settings WHERE source IN ('session') ORDER BY name"


@pytest.fixture
def database(postgres_server: PostgresServer, postgres_database: str) -> str:
    """The name of a database with one table."""
    others = dict.fromkeys(("user_id", "purchased_at", "amount"))
    create_purchases(postgres_database, columns=others, index=False)
    return postgres_database.rpartition("/")[2]


def _left(pool: PgbouncerServer, database: str) -> list[tuple[object, ...]]:
    """What sessions have set on the servers that the pool gives out next."""
    found = []
    with_all = [pool.connect(database) for _ in range(6)]
    for connection in with_all:
        connection.execute(b"BEGIN")
    for connection in with_all:
        found += connection.execute(_SETTINGS).fetchall()
        connection.close()
    return [each for each in found if each[0] not in ("application_name", "client_encoding")]


@pytest.mark.parametrize("takes_turns", [False, True])
def test_a_pool_in_transaction_mode_is_refused_and_nothing_stays_on_it(
    pgbouncer: Start, database: str, takes_turns: bool
) -> None:
    pool = pgbouncer("transaction", size=8, takes_turns=takes_turns)
    shop = [pool.connect(database) for _ in range(6)]  # its servers are idle when we come
    for connection in shop:
        connection.execute(b"BEGIN")
    for connection in shop:
        connection.execute(b"COMMIT")
    before = _left(pool, database)
    with pytest.raises(InputError, match="pool in transaction mode") as caught, open_source(pool.url(database)):
        pass
    assert "pool_mode = session" in caught.value.fix
    assert _left(pool, database) == before
    for connection in shop:
        connection.execute(b"INSERT INTO purchases VALUES (pg_backend_pid()) ON CONFLICT DO NOTHING")
        connection.close()


def test_a_pool_that_works_for_a_busy_shop_is_found_all_the_same(pgbouncer: Start, database: str) -> None:
    pool = pgbouncer("transaction", size=4)
    busy = [pool.connect(database) for _ in range(2)]
    for connection in busy:
        connection.execute(b"BEGIN")
    with pytest.raises(InputError, match="pool in transaction mode"), open_source(pool.url(database)):
        pass
    for connection in busy:
        connection.close()


def test_a_pool_of_one_server_in_transaction_mode_is_refused(pgbouncer: Start, database: str) -> None:
    pool = pgbouncer("transaction", size=1)
    with pytest.raises(InputError, match="pool in transaction mode"), open_source(pool.url(database)):
        pass


def test_a_pool_in_statement_mode_is_refused(pgbouncer: Start, database: str) -> None:
    pool = pgbouncer("statement")
    with pytest.raises(InputError, match="pool"), open_source(pool.url(database)):
        pass


def test_a_pool_in_session_mode_works_and_gets_its_servers_back_as_they_were(pgbouncer: Start, database: str) -> None:
    pool = pgbouncer("session", size=8)
    with open_source(pool.url(database)) as source:
        assert source.server_version
    assert not _left(pool, database)


def test_without_a_pool_one_small_statement_proves_it(postgres_server: PostgresServer, database: str) -> None:
    with postgres_server.connect() as watching:
        asked = b"SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
        with open_source(postgres_server.url(database)):
            assert watching.execute(asked, (database,)).fetchone() == (2,)
    assert isinstance(watching, psycopg.Connection)
