"""A database that is emptied for another test: of ours alone, and whatever a test did to the session that does it."""

from __future__ import annotations

import secrets

import psycopg
import pytest

from tests.servers.postgres import PostgresServer

pytestmark = pytest.mark.integration


def test_a_database_with_a_name_of_its_own_may_be_made_again(postgres_server: PostgresServer) -> None:
    postgres_server.drop_database(postgres_server.create_database())
    name = f"own_{secrets.token_hex(6)}"
    for _ in range(2):
        with postgres_server.connect() as connection:
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0".encode())
        postgres_server.drop_database(name)


def test_databases_are_made_and_dropped_also_when_all_sessions_were_ended(postgres_server: PostgresServer) -> None:
    postgres_server.drop_database(postgres_server.create_database())
    with postgres_server.connect() as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 2000) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND usename IS NOT NULL"
        )
    made = postgres_server.create_database()
    postgres_server.drop_database(made)
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        postgres_server.connect("own_that_never_was")
