"""What a server, a role or a database sets for every session changes nothing of what is read or written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from databases.mysql import session as mysql_session
from databases.mysql.url import driver_arguments
from databases.postgres import session as postgres_session
from databases.postgres.url import connect_parameters
from databases.url import parse_url
from exporter.inspect.doctor import SourceLook, examine_source
from exporter.open_source import open_source
from exporter.pacing.signal_connection import SignalConnection
from staging.errors import InputError, PenstockError
from tests.exporter.days import DAY, NOW, pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.loader.runs import LoaderRun, revenue
from tests.loader.target_fixtures import LoaderTarget
from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.servers.server import PASSWORD
from tests.shop.purchases import create_purchases

pytestmark = pytest.mark.integration
USER = "clerk"
ROWS = 60
KEYS = {f"u{number}😀 " if number % 2 else f"u{number}🚀" for number in range(ROWS)}

_EVERY: dict[str, str] = {
    "sql_select_limit": "1",
    "max_join_size": "1",
    "sql_big_selects": "0",
    "autocommit": "0",
    "completion_type": "2",
    "sql_mode": "'PAD_CHAR_TO_FULL_LENGTH,NO_ZERO_DATE'",
    "sql_auto_is_null": "1",
    "sql_safe_updates": "1",
    "sql_quote_show_create": "0",
    "group_concat_max_len": "4",
    "wait_timeout": "2",
    "net_write_timeout": "1",
    "time_zone": "'-11:00'",
    "foreign_key_checks": "0",
    "unique_checks": "0",
    "lock_wait_timeout": "1",
    "character_set_client": "latin1",
    "character_set_connection": "latin1",
    "character_set_results": "latin1",
    "init_connect": "'SET NAMES latin1; SET sql_select_limit = 1; SET autocommit = 0'",
}
_OF_ONE: dict[str, dict[str, str]] = {
    "mysql": {
        "max_execution_time": "1",
        "cte_max_recursion_depth": "1",
        "range_optimizer_max_mem_size": "1",
        "transaction_isolation": "'SERIALIZABLE'",
    },
    "mariadb": {
        "max_statement_time": "0.0001",
        "max_recursive_iterations": "1",
        "in_predicate_conversion_threshold": "2",
        "tx_isolation": "'SERIALIZABLE'",
        "check_constraint_checks": "0",
        "system_versioning_asof": "'2020-01-01 00:00:00'",
    },
}
_POSTGRES = {
    "statement_timeout": "1ms",
    "lock_timeout": "1ms",
    "idle_in_transaction_session_timeout": "1ms",
    "idle_session_timeout": "2s",
    "DateStyle": "German, DMY",
    "IntervalStyle": "iso_8601",
    "TimeZone": "Pacific/Kiritimati",
    "extra_float_digits": "-15",
    "bytea_output": "escape",
    "standard_conforming_strings": "off",
    "client_encoding": "LATIN1",
    "default_transaction_isolation": "serializable",
    "default_transaction_deferrable": "on",
    "row_security": "on",
    "xmloption": "document",
    "transform_null_equals": "on",
    "array_nulls": "off",
    "quote_all_identifiers": "on",
    # none of these is in a list of ours
    "gin_fuzzy_search_limit": "5",
    "default_text_search_config": "simple",
    "synchronize_seqscans": "off",
}
_STAY = ("client_encoding", "default_text_search_config")
"""The driver's own, and a word of the language in which `source.where` is written."""


@dataclass(frozen=True)
class Hostile:
    """A server whose defaults are hostile meanwhile: the URL is of an account with few rights."""

    kind: str
    url: str
    settings: dict[str, str]


@contextmanager
def _hostile_mysql(server: MysqlFamilyServer, kind: str) -> Iterator[Hostile]:
    name = server.create_database()
    settings = _EVERY | _OF_ONE[kind]
    admin = server.connect()
    with admin.cursor() as cursor:
        cursor.execute(f"CREATE USER {USER}@'%%' IDENTIFIED BY %s", (PASSWORD,))
        cursor.execute(f"GRANT ALL ON {name}.* TO {USER}@'%'")
        cursor.execute("SELECT " + ", ".join(f"@@GLOBAL.{each}" for each in settings))
        before = dict(zip(settings, cursor.fetchone(), strict=True))
        try:
            for each, value in settings.items():
                cursor.execute(f"SET GLOBAL {each} = {value}")
            yield Hostile(kind, server.url(name, user=USER), settings)
        finally:
            for each, value in before.items():
                if each == "system_versioning_asof":
                    cursor.execute(f"SET GLOBAL {each} = DEFAULT")
                else:
                    cursor.execute(f"SET GLOBAL {each} = %s", (value,))
            cursor.execute(f"DROP USER {USER}@'%'")
    admin.close()
    server.drop_database(name)


@contextmanager
def _hostile_postgres(server: PostgresServer) -> Iterator[Hostile]:
    name = server.create_database()
    with server.connect(name) as admin:
        admin.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"GRANT ALL ON DATABASE {name} TO {USER}".encode())
        admin.execute(f"GRANT ALL ON SCHEMA public TO {USER}".encode())
        known = {row[0] for row in admin.execute(b"SELECT name FROM pg_settings").fetchall()}
        settings = {each: value for each, value in _POSTGRES.items() if each in known}
        for index, (each, value) in enumerate(settings.items()):
            whose = f"ROLE {USER}" if index % 2 else f"DATABASE {name}"
            admin.execute(f"ALTER {whose} SET {each} = '{value}'".encode())
        try:
            yield Hostile("postgres", server.url(name, user=USER), settings)
        finally:
            admin.execute(f"ALTER DATABASE {name} RESET ALL".encode())
            admin.execute(f"DROP OWNED BY {USER}".encode())
            admin.execute(f"DROP ROLE {USER}".encode())
    server.drop_database(name)


@pytest.fixture(params=["mariadb", "mysql", "postgres"])
def hostile(request: pytest.FixtureRequest) -> Iterator[Hostile]:
    """Each server in turn."""
    server = request.getfixturevalue(f"{request.param}_server")
    opened = _hostile_postgres(server) if request.param == "postgres" else _hostile_mysql(server, request.param)
    with opened as made:
        yield made


def _session(hostile: Hostile) -> Any:
    """A session as every job opens one."""
    url = parse_url(hostile.url)
    if hostile.kind == "postgres":
        return postgres_session.open_session(connect_parameters(url, "test"), {})
    return mysql_session.open_session(driver_arguments(url), {})


def _fill(hostile: Hostile) -> None:
    """A shop's day, written by a session that the defaults do not reach."""
    is_postgres = hostile.kind == "postgres"
    text = "char(40) COLLATE" + (' "C"' if is_postgres else " utf8mb4_bin")
    key = 'varchar(40) COLLATE "C"' if is_postgres else "varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    text = text if is_postgres else "char(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
    stamp = "timestamptz" if is_postgres else "timestamp(6)"
    rows = ", ".join(
        f"({number}, '{key_of}', '2026-11-14 {number % 20:02}:30:00{'+00' if is_postgres else ''}', {number}.37, 'x')"
        for number, key_of in enumerate(sorted(KEYS), start=1)
    )
    with closing(_session(hostile)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute(
            f"CREATE TABLE purchases (id bigint PRIMARY KEY, user_id {key} NOT NULL, purchased_at {stamp} NOT NULL, "
            f"amount decimal(12,2) NOT NULL, note {text} NOT NULL)"
        )
        cursor.execute("CREATE INDEX by_time ON purchases (purchased_at)")
        cursor.execute(f"INSERT INTO purchases VALUES {rows}")


@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_the_day_is_read_as_it_is(hostile: Hostile, tmp_path: Path, read: str) -> None:
    _fill(hostile)
    settings = calm(pipeline(hostile.url, tmp_path, export={"read": read, "shards": 2}, columns=["amount", "note"]))
    found = run_export(settings).rows()
    assert {row["user_id"] for row in found} == KEYS
    assert len(found) == ROWS
    assert sum(row["amount"] for row in found) == sum(
        Decimal(number) + Decimal("0.37") for number in range(1, ROWS + 1)
    )
    assert {row["note"].rstrip() for row in found} == {"x"}
    if hostile.kind != "postgres":  # whose char(n) is padded, always
        assert {row["note"] for row in found} == {"x"}


def test_an_index_that_gives_some_of_its_rows_by_default_gives_all(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = postgres_server.create_database()
    create_purchases(postgres_server.url(name), columns={"tags": "text[] NOT NULL"}, index=False)
    with postgres_server.connect(name) as admin:
        admin.execute(
            b"INSERT INTO purchases SELECT g, g, timestamptz '2026-11-14 12:00+00' + g * interval '1 second', 1, "
            b"CASE WHEN g <= 700 THEN '{a}' ELSE '{b}' END::text[] FROM generate_series(1, 30000) g"
        )
        admin.execute(b"CREATE INDEX ON purchases USING gin (tags)")
        admin.execute(b"ANALYZE purchases")
        admin.execute(f"ALTER DATABASE {name} SET gin_fuzzy_search_limit = 20".encode())
        admin.execute(f"ALTER DATABASE {name} SET enable_seqscan = off".encode())
    made = pipeline(
        postgres_server.url(name), tmp_path, export={"read": "snapshot", "allow_full_scan": True}, where="tags @> '{a}'"
    )
    assert len(run_export(made).rows()) == 700


def test_foreign_keys_are_checked_though_the_account_s_default_says_otherwise(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    name = postgres_server.create_database()
    target = LoaderTarget("postgres", postgres_server.url(name))
    made = LoaderRun(tmp_path / "staging", revenue(range(1, 20)))
    made.write()
    target.init(made)
    with postgres_server.connect(name) as admin:
        admin.execute(b"CREATE TABLE users (id bigint PRIMARY KEY)")
        admin.execute(b"INSERT INTO users VALUES (1)")
        admin.execute(b"ALTER TABLE revenue ADD FOREIGN KEY (user_id) REFERENCES users")
        admin.execute(f"ALTER DATABASE {name} SET session_replication_role = 'replica'".encode())
    with pytest.raises(PenstockError, match="foreign key"):
        target.load(made)


def test_an_account_that_may_not_take_back_such_a_default_is_refused(postgres_server: PostgresServer) -> None:
    name = postgres_server.create_database()
    with postgres_server.connect(name) as admin:
        admin.execute(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'".encode())
        admin.execute(f"ALTER ROLE {USER} SET session_replication_role = 'replica'".encode())
    try:
        with (
            pytest.raises(InputError, match="session_replication_role") as caught,
            open_source(postgres_server.url(name, user=USER)),
        ):
            pass
        assert "RESET" in caught.value.fix
    finally:
        with postgres_server.connect(name) as admin:
            admin.execute(f"DROP ROLE {USER}".encode())


def test_doctor_finds_nothing_wrong(hostile: Hostile, tmp_path: Path) -> None:
    _fill(hostile)
    look = SourceLook()
    found = list(examine_source(pipeline(hostile.url, tmp_path), DAY, look, lambda: NOW))
    assert look.schema is not None
    assert not [each for each in found if each.level == "fault"]


def test_pacing_s_signals_see_all_rows(hostile: Hostile) -> None:
    dialect = "postgresql" if hostile.kind == "postgres" else hostile.kind
    with closing(SignalConnection(parse_url(hostile.url), dialect)) as connection:
        answer = connection.ask("SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3")
        assert [row[0] for row in answer.rows] == [1, 2, 3]


def test_the_day_is_loaded_as_it_is(hostile: Hostile, tmp_path: Path) -> None:
    target = LoaderTarget(hostile.kind, hostile.url)
    rows = revenue(range(1, 300))
    made = LoaderRun(tmp_path / "staging", rows)
    made.write()
    target.init(made)
    target.load(made)
    with closing(_session(hostile)) as connection, closing(connection.cursor()) as cursor:
        cursor.execute("SELECT user_id, revenue, purchases FROM revenue ORDER BY user_id")
        assert [tuple(row) for row in cursor.fetchall()] == [tuple(row.values()) for row in rows]


def test_every_setting_that_was_made_hostile_is_set_back(hostile: Hostile) -> None:
    """Asked of the server itself; without the list each of them would be what it was made."""
    with closing(_session(hostile)) as connection, closing(connection.cursor()) as cursor:
        if hostile.kind == "postgres":
            cursor.execute("SELECT name, reset_val FROM pg_settings WHERE setting = reset_val AND source <> 'session'")
            stays = {row[0] for row in cursor.fetchall()}
            assert not stays & set(hostile.settings) - set(_STAY)
            return
        cursor.execute("SHOW SESSION VARIABLES")
        session = dict(cursor.fetchall())
        left = {name for name in mysql_session.EVERY_SESSION if name in hostile.settings}
        for name in left:
            assert session[name] != hostile.settings[name].strip("'"), name
        assert session["character_set_results"] == "utf8mb4"


def test_what_a_proxy_swallows_is_noticed() -> None:
    """A proxy that takes SET and forgets it, as the session's own question shows."""

    def run(sql: str) -> list[tuple[Any, ...]]:
        if not sql.startswith("SHOW"):
            return []
        return [("sql_select_limit", "100"), ("sql_mode", ""), ("character_set_results", "utf8mb4")]

    with pytest.raises(Exception, match="sql_select_limit stays '100'"):
        mysql_session.set_up(run, {})
