"""What every session with PostgreSQL sets.

All that a server's, a role's or a database's default could change. One list for the snapshot, the slices, the
catalogue, pacing's signals, `doctor` and the loader. All other settings that decide what a statement means or gives, if
a default changed them, are set back to PostgreSQL's built-in values, so no list has to know them all. It is set by
statements and not in the startup packet, as a pool refuses most settings there; so a pool that would give our session
to others is found first (`databases.postgres.pooler`), and nothing is set there.

Not set back, as they are the language and the place of what a user wrote: `search_path`, words of times and texts.
(PostgreSQL manual, chapter 20.)
"""

from __future__ import annotations

from collections.abc import Mapping

import psycopg

from databases.postgres.pooler import refuse_shared_session

TLS_SQL = (
    "SELECT (SELECT version FROM pg_catalog.pg_stat_ssl WHERE pid = pg_catalog.pg_backend_pid()), "
    "coalesce(pg_catalog.host(pg_catalog.inet_server_addr()) || ':' || pg_catalog.inet_server_port(), '')"
)
"""What a session's encryption is, NULL where there is none; and where the server is, empty behind a socket."""

EVERY_SESSION: Mapping[str, str] = {
    # limits that end a statement, a transaction, a session
    "statement_timeout": "0",
    "transaction_timeout": "0",  # from 17 on
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",  # from 14 on: an hour of pacing is no reason to end a session that is idle meanwhile
    # rows that a policy hides are an error: what can't be seen is not "no rows"
    "row_security": "off",
    # what values look like
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    # what a statement means
    "standard_conforming_strings": "on",
    "backslash_quote": "safe_encoding",
    "escape_string_warning": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "jit": "off",
}
"""By name; a server gets only those that it knows. `default_transaction_read_only` is each job's own."""
_OF_ADMINISTRATORS: Mapping[str, str] = {
    "session_replication_role": "origin",  # replica: no foreign keys are checked, no triggers run
    "zero_damaged_pages": "off",  # on: a page that can't be read is empty
    "ignore_checksum_failure": "off",
}
"""Set only where they differ: that takes a right, and an account without it is refused."""
_SET_BACK = r"category ~ '^(Client Connection Defaults / (Statement|Other)|Version and Platform Compatibility)'"
_STAYS = (
    *("search_path", "default_tablespace", "temp_tablespaces", "default_table_access_method"),
    *("transaction_isolation", "transaction_read_only", "transaction_deferrable", "default_transaction_read_only"),
    *("client_min_messages", "check_function_bodies", "default_toast_compression", "restrict_nonsystem_relation_kind"),
)

_UNTIMED = "SET statement_timeout = 0"
_UNTIMED_EARLY = "-c statement_timeout=0"


def set_up_sql(settings: Mapping[str, str]) -> str:
    """Return the statement that sets up a session.

    It sets what every session sets, and `settings` over it; then what a default changed is set back.
    """
    wanted = {**EVERY_SESSION, **settings}
    rest = ", ".join(map(_literal, (*wanted, *_STAYS)))
    return (
        "SELECT pg_catalog.set_config(s.name, v.value, false) "  # noqa: S608 - constants and our own numbers
        f"FROM (VALUES {_values(wanted)}) AS v (name, value) JOIN pg_catalog.pg_settings AS s ON s.name = v.name "
        "UNION ALL SELECT pg_catalog.set_config(s.name, v.value, false) "
        f"FROM (VALUES {_values(_OF_ADMINISTRATORS)}) AS v (name, value) JOIN pg_catalog.pg_settings AS s "
        "ON s.name = v.name AND s.setting <> v.value "
        "UNION ALL SELECT pg_catalog.set_config(s.name, s.boot_val, false) FROM pg_catalog.pg_settings AS s "
        f"WHERE s.context = 'user' AND s.{_SET_BACK} AND s.setting <> s.boot_val AND s.name NOT IN ({rest})"
    )


def open_session(parameters: Mapping[str, str], settings: Mapping[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    """Connect, in autocommit, and set up the session.

    Raises psycopg.Error, or InputError for a pool. Without prepared statements: a pool between us and the server may
    not know them.
    """
    try:
        return _open(parameters, settings)
    except psycopg.errors.QueryCanceled:
        return _open(without_time_limit(parameters), settings)


def without_time_limit(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the same parameters, and that no statement has a time limit.

    A default of a few milliseconds may end even the statement that lifts it. It goes in the startup packet, which pools
    refuse: so only where it is needed.
    """
    return {**parameters, "options": f"{parameters.get('options', '')} {_UNTIMED_EARLY}".strip()}


def _open(parameters: Mapping[str, str], settings: Mapping[str, str]) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(**parameters, autocommit=True, prepare_threshold=None)  # type: ignore[arg-type] # libpq's own
    try:
        refuse_shared_session(connection, parameters)
        connection.execute(_UNTIMED)
        connection.execute(set_up_sql(settings).encode())
    except BaseException:
        connection.close()
        raise
    return connection


def place_of(connection: psycopg.Connection[tuple[object, ...]]) -> dict[str, str]:
    """Return libpq's parameters of the one server that was reached."""
    info = connection.info
    place = {"host": info.host, "port": str(info.port)}
    return place | {"hostaddr": info.hostaddr} if info.hostaddr else place  # a Unix socket has no address


def _values(settings: Mapping[str, str]) -> str:
    return ", ".join(f"({_literal(name)}, {_literal(value)})" for name, value in settings.items())


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
