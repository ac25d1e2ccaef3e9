"""What every session with MySQL or MariaDB sets.

All settings whose default on a server could change what we read or write. One list for the snapshot, the slices, the
catalogue, pacing's signals, `doctor` and the loader. It is set once the connection is open, as `init_connect` and the
server's globals have been applied by then, and is checked again: a proxy between us and the server may swallow SET.
(MySQL manual 7.1.8, MariaDB: Server System Variables.)

Not set, as MySQL asks a right for it: `max_error_count`, so a reason of a warning may be lost (its count is not). Not
set, as they are the language in which `source.where` and views are written: the parts of `sql_mode` that say how a
statement is read (ANSI_QUOTES and its like), `div_precision_increment`, `lc_time_names`, `default_week_format`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pymysql

from databases.mysql.driver import Connection
from staging.errors import InputError

CONNECT_ERRORS = (pymysql.Error, OSError, RuntimeError, ValueError, TypeError, NotImplementedError)
"""What PyMySQL raises while it connects. RuntimeError: an authentication that wants TLS or another package."""

Run = Callable[[str], Sequence[tuple[Any, ...]]]
Setting = str | int

_NO_LIMIT = 18_446_744_073_709_551_615
_DAY_SECONDS = 86_400
TLS_SQL = "SHOW SESSION STATUS LIKE 'Ssl_version'"
"""What a session's encryption is: empty where there is none."""

EVERY_SESSION: Mapping[str, Setting] = {
    "autocommit": "ON",
    "completion_type": "NO_CHAIN",
    # limits that end a statement, or its rows
    "sql_select_limit": _NO_LIMIT,
    "max_join_size": _NO_LIMIT,
    "sql_big_selects": "ON",
    "max_execution_time": 0,  # MySQL
    "max_statement_time": 0,  # MariaDB
    "max_recursive_iterations": 4_294_967_295,  # MariaDB ends a view's recursion with a warning
    "cte_max_recursion_depth": 4_294_967_295,  # MySQL with an error
    # what makes a statement mean something else
    "sql_auto_is_null": "OFF",
    "sql_safe_updates": "OFF",
    "sql_quote_show_create": "ON",
    "system_versioning_asof": "DEFAULT",  # MariaDB: the table as it was at another time
    "use_secondary_engine": "OFF",  # MySQL: another engine's copy, which is behind
    "foreign_key_checks": "ON",
    "unique_checks": "ON",
    "check_constraint_checks": "ON",  # MariaDB
    # what makes the same statement read a whole table instead of the keys that are listed
    "in_predicate_conversion_threshold": 0,  # MariaDB joins with a list of a thousand and more
    "range_optimizer_max_mem_size": 0,  # MySQL gives up on a list that takes more
    # an hour of pacing is no reason to end a connection that is idle meanwhile
    "wait_timeout": _DAY_SECONDS,
    "net_write_timeout": 600,  # a reader that waits for the bucket
    "time_zone": "+00:00",
}
"""By name, in the order in which they are set; a server gets only those that it knows."""

_LANGUAGE = frozenset(
    {
        *("ANSI_QUOTES", "PIPES_AS_CONCAT", "IGNORE_SPACE", "NO_BACKSLASH_ESCAPES", "HIGH_NOT_PRECEDENCE"),
        *("REAL_AS_FLOAT", "NO_UNSIGNED_SUBTRACTION"),
    }
)
"""The parts of `sql_mode` that decide how a user's `where` is read: they stay; all others change values.

Beside a name for several parts, such as ANSI, the server's own spelling also lists the parts.
"""
_STRICT = "STRICT_ALL_TABLES"
"""Where it is off, MariaDB turns a text longer than a packet into '' instead of NULL in a NOT NULL column: a wrong
value that a read by texts and the seal's sum would share."""
_CHARACTER_SETS = ("character_set_client", "character_set_connection", "character_set_results")
_HYPERGRAPH = "hypergraph_optimizer"
"""MySQL's other optimizer, off by default, explains no plan in lines (error 3999) and reads whole tables even with a
hint for the index: what is explained has to be what runs."""
_NAMES = "SET NAMES utf8mb4"
_FIRST = (
    f"SET SESSION sql_select_limit = {_NO_LIMIT}, max_join_size = {_NO_LIMIT}, sql_big_selects = ON"
    " /*!80000 , max_execution_time = 0 */ /*M! , max_statement_time = 0 */"
)
"""Settings that would limit even the check of the session: the comments are MySQL's and MariaDB's own."""
_OFF_AND_ON = {"OFF": "0", "ON": "1", "NO_CHAIN": "0"}


def open_session(
    arguments: Mapping[str, Any], settings: Mapping[str, Setting], *, make: Callable[..., Any] = Connection
) -> Any:  # noqa: ANN401 - PyMySQL ships no types
    """Connect and set up the session. Raises one of `CONNECT_ERRORS`, or InputError."""
    connection = make(**arguments)
    try:
        set_up(lambda sql: _run(connection, sql), settings)
    except BaseException:
        connection._force_close()
        raise
    return connection


def set_up(run: Run, settings: Mapping[str, Setting]) -> None:
    """Set what every session sets, and `settings` over it.

    InputError where the server did not take one. `sql_mode` among them is set as it is; without it only the server's
    parts that are a language are kept.
    """
    run(_NAMES)
    run(_FIRST)
    wanted = {**EVERY_SESSION, **settings}
    found = _look(run, (*wanted, "sql_mode", "optimizer_switch"))
    wanted.setdefault("sql_mode", _language_of(found["sql_mode"]))
    changes = {name: value for name, value in wanted.items() if name in found and not _is_equal(found[name], value)}
    if f"{_HYPERGRAPH}=on" in found.get("optimizer_switch", ""):
        run(f"SET SESSION optimizer_switch = '{_HYPERGRAPH}=off'")
    if changes:
        run("SET SESSION " + ", ".join(f"{name} = {_literal(value)}" for name, value in changes.items()))
    _check(run, {name: value for name, value in wanted.items() if name in found})


def is_mariadb(connection: Any) -> bool:  # noqa: ANN401 - see above
    """Return whether the server said so in its greeting."""
    return "mariadb" in str(connection.get_server_info()).lower()


def _run(connection: Any, sql: str) -> Sequence[tuple[Any, ...]]:  # noqa: ANN401 - see above
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def _look(run: Run, names: Sequence[str]) -> dict[str, str]:
    listed = ", ".join(f"'{name}'" for name in names)
    return {str(name): str(value) for name, value in run(f"SHOW SESSION VARIABLES WHERE Variable_name IN ({listed})")}


def _check(run: Run, wanted: Mapping[str, Setting]) -> None:
    found = _look(run, (*wanted, *_CHARACTER_SETS))
    for name, value in {**wanted, **dict.fromkeys(_CHARACTER_SETS, "utf8mb4")}.items():
        if not _is_equal(found.get(name, ""), value):
            raise InputError(
                f"The session can't be set up: {name} stays {found.get(name, '')!r}.",
                why=f"It was set to {value!r}, and the server, or a proxy before it, did not keep that.",
                fix="Connect to the server itself, or make the proxy keep session settings.",
            )


def _language_of(sql_mode: str) -> str:
    return ",".join([*(mode for mode in sql_mode.split(",") if mode in _LANGUAGE), _STRICT])


def _is_equal(found: str, wanted: Setting) -> bool:
    """Compare as the server spells it: `ON` is 1, numbers may have zeros behind the point, modes any order."""
    here, there = (_OFF_AND_ON.get(str(value).upper(), str(value)) for value in (found, wanted))
    if here == there:
        return True
    if "," in here or "," in there:
        return set(here.split(",")) == set(there.split(","))
    try:
        return float(here) == float(there)
    except ValueError:
        return here.upper() == there.upper()


def _literal(value: Setting) -> str:
    return str(value) if isinstance(value, int) or value == "DEFAULT" else "'" + value.replace("'", "''") + "'"
