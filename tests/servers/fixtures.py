"""The servers as fixtures: started when the first test asks, stopped when the last one is over.

A test that kills a server, or counts on its fsync, takes `own_postgres`, `own_mariadb` or `own_mysql`, which nobody
else uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from tests.servers import missing
from tests.servers.fake_gcs import FakeGcsServer
from tests.servers.mariadb import MariadbServer
from tests.servers.mysql import MysqlServer
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.pgbouncer import Mode, PgbouncerServer
from tests.servers.postgres import PostgresServer
from tests.servers.programs import ServerMissingError
from tests.servers.server import Server

S = TypeVar("S", bound=Server)


def _serve(make: Callable[..., S], *arguments: object, **options: object) -> Iterator[S]:
    try:
        server = make(*arguments, **options)
    except ServerMissingError as error:
        missing.skip_or_fail(error)
        raise  # never reached: the line above leaves
    server.start()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The PostgreSQL server that all tests share."""
    yield from _serve(PostgresServer)


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[MariadbServer]:
    """The MariaDB server that all tests share."""
    yield from _serve(MariadbServer)


@pytest.fixture(scope="session")
def mysql_server() -> Iterator[MysqlServer]:
    """The MySQL server that all tests share."""
    yield from _serve(MysqlServer)


@pytest.fixture(params=["mariadb", "mysql"])
def mysql_family_server(request: pytest.FixtureRequest) -> MysqlFamilyServer:
    """The MariaDB and the MySQL that all tests share, one after the other."""
    server: MysqlFamilyServer = request.getfixturevalue(f"{request.param}_server")
    return server


@pytest.fixture(scope="session")
def gcs_server() -> Iterator[FakeGcsServer]:
    """The fake-gcs-server that all tests share."""
    yield from _serve(FakeGcsServer)


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for one test, which may stop, kill and start it; durable."""
    yield from _serve(PostgresServer, durable=True)


@pytest.fixture(scope="module")
def postgres_of_the_file() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the tests of one file, which set it up as they like and leave it running; durable."""
    yield from _serve(PostgresServer, durable=True)


@pytest.fixture
def own_mariadb() -> Iterator[MariadbServer]:
    """A MariaDB server for one test, which may stop, kill and start it; durable."""
    yield from _serve(MariadbServer, durable=True)


@pytest.fixture
def pgbouncer(postgres_server: PostgresServer) -> Iterator[Callable[..., PgbouncerServer]]:
    """Starts pools before the shared PostgreSQL server: `pgbouncer("transaction", size=3)`."""
    with ExitStack() as stack:

        def start(mode: Mode, **options: int) -> PgbouncerServer:
            return stack.enter_context(contextmanager(_serve)(PgbouncerServer, postgres_server, mode, **options))

        yield start


@pytest.fixture
def own_mysql() -> Iterator[MysqlServer]:
    """A MySQL server for one test, which may stop, kill and start it; durable."""
    yield from _serve(MysqlServer, durable=True)


@pytest.fixture(params=["mariadb", "mysql"])
def own_mysql_family(request: pytest.FixtureRequest) -> MysqlFamilyServer:
    """A MariaDB, then a MySQL, for one test, which may stop, kill and start it; durable."""
    server: MysqlFamilyServer = request.getfixturevalue(f"own_{request.param}")
    return server


@pytest.fixture(scope="session")
def postgres_url(postgres_server: PostgresServer) -> str:
    """SQLAlchemy URL of the shared PostgreSQL server's maintenance database, with all rights."""
    return postgres_server.url()


@pytest.fixture(scope="session")
def mariadb_url(mariadb_server: MariadbServer) -> str:
    """SQLAlchemy URL of the shared MariaDB server's system database, with all rights."""
    return mariadb_server.url()


@pytest.fixture
def postgres_database(postgres_server: PostgresServer) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty PostgreSQL database."""
    name = postgres_server.create_database()
    yield postgres_server.url(name)
    postgres_server.drop_database(name)


@pytest.fixture
def mariadb_database(mariadb_server: MariadbServer) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty MariaDB database."""
    name = mariadb_server.create_database()
    yield mariadb_server.url(name)
    mariadb_server.drop_database(name)


@pytest.fixture
def mysql_database(mysql_server: MysqlServer) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty MySQL database."""
    name = mysql_server.create_database()
    yield mysql_server.url(name)
    mysql_server.drop_database(name)


@pytest.fixture
def mysql_family_database(mysql_family_server: MysqlFamilyServer) -> Iterator[str]:
    """SQLAlchemy URL of a fresh, empty database of MariaDB, then of MySQL."""
    name = mysql_family_server.create_database()
    yield mysql_family_server.url(name)
    mysql_family_server.drop_database(name)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> str:
    """SQLAlchemy URL of a new SQLite file."""
    return f"sqlite:///{tmp_path / 'database.sqlite'}"


@pytest.fixture
def gcs_endpoint(gcs_server: FakeGcsServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """`http://127.0.0.1:port` of the fake-gcs-server, which STORAGE_EMULATOR_HOST names, too."""
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_server.endpoint)
    return gcs_server.endpoint


@pytest.fixture
def gcs_bucket(gcs_server: FakeGcsServer, gcs_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """`gs://name` of a fresh, empty bucket.

    Before each load the heads of a hundred days are asked for, which no fresh bucket has: here, of the last sixteen.
    """
    monkeypatch.setattr("staging.documents.recent_days._LOOK_BACK", 16)
    name = gcs_server.create_bucket()
    yield f"gs://{name}"
    gcs_server.delete_bucket(name)
