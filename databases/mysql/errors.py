"""What an error number of MySQL, MariaDB or PyMySQL means.

One table, `errors.tsv`, for every job. Sources: `mysqld_error.h` and the SQLSTATEs of both servers
(`performance_schema.events_errors_summary_global_by_error` of MySQL 9.7, `sql_state.h` of MariaDB 10.11), and the
manuals' error references. From 1900 on the two servers give one number different meanings, so each line names its
server.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

from databases.errors import ACCESS, COLLATIONS, NOT_KNOWN, Kind, Meaning

_VIEW = (
    "Grant it: GRANT SHOW VIEW ON the view, and SELECT ON the tables beneath it, TO the user of {url}: "
    "without both its plan can't be looked at."
)
_LIMIT = (
    "Raise it: ALTER USER … WITH MAX_USER_CONNECTIONS, or the server's `max_user_connections`; "
    "`penstock help connect` says how many connections each job needs."
)
_ROOM = (
    "Free space on the disk of the database server, where it keeps temporary files (`tmpdir`, on MySQL "
    "`innodb_temp_tablespaces_dir`) or data, and try again. Its log says which; a view that sorts or groups needs room "
    "for all of its rows."
)
_TIME_LIMIT = "Raise `export.max_snapshot_seconds`, index the time column, or read from a replica."
_FIXES = {
    1021: _ROOM,
    1040: "Try again when fewer clients are connected, or raise `max_connections`.",
    1044: "Correct the database in {url}, or grant a right on it to its user.",
    1045: f"{ACCESS} MariaDB says the same where TLS is demanded: ssl_mode=REQUIRED.",
    1049: "Correct the database in {url}.",
    1104: "Raise `max_join_size` for the user of {url}.",
    1114: _ROOM,
    1129: "Run FLUSH HOSTS on the server, and find out what let so many connections break off.",
    1130: "Let this machine's address in: CREATE USER 'user'@'host'.",
    1153: "Raise `max_allowed_packet` on the server.",
    1203: _LIMIT,
    1226: _LIMIT,
    1267: COLLATIONS,
    1290: "Look at the option that it names.",
    1300: "Correct the text, whose bytes stand for no character, or leave its row out.",
    1345: _VIEW,
    1356: "Look at the view's tables and columns, and at the rights of its definer.",
    1449: "Create the account that it names, or give the view or trigger another definer.",
    1461: "Raise `max_prepared_stmt_count`, or try again when fewer statements are prepared.",
    1665: "Set `binlog_format` to ROW: with STATEMENT InnoDB writes nothing under READ COMMITTED.",
    1785: "Make the table an InnoDB table, or set `enforce_gtid_consistency` to OFF.",
    1820: "Set a new password for the account: ALTER USER … IDENTIFIED BY …",
    1862: "Set a new password for the account: ALTER USER … IDENTIFIED BY …",
    1877: "Look at the server's log, and at CHECK TABLE.",
    2026: "Look at `ssl_mode` and the certificates named in {url}.",
    3032: "Try again when `offline_mode` is off.",
    3118: "Unlock the account: ALTER USER … ACCOUNT UNLOCK.",
    3159: "Put TLS into {url}: ssl_mode=REQUIRED, or VERIFY_IDENTITY with ssl_ca=/path.",
    3636: "Raise `cte_max_recursion_depth` on the server, or make the view's recursion end earlier.",
    4151: "Unlock the account: ALTER USER … ACCOUNT UNLOCK.",
    1205: "Try again when the ALTER, or whatever holds the table's lock, is through.",
    1412: "The table was altered while the snapshot began: try again.",
    1969: _TIME_LIMIT,
    3024: _TIME_LIMIT,
}
_CLIENT, _MYSQL, _MARIADB, _BOTH = "client", "mysql", "mariadb", "both"
_PYMYSQL = re.compile(r"^\((\d{4,5}),")
_NO_SPACE = "No space left on device"
# The words of the engine of temporary tables when it could not write them.
_TEMPORARY_BROKEN = re.compile(r"is corrupted|is crashed|Incorrect key file")
_TEMPORARY_TABLE = "#sql"
_OPTION_PREVENTS = 1290
_RESOURCE = 1226
_INIT_CONNECT = "(init_connect command failed)"
_OF_INIT_CONNECT = (
    "Look at `init_connect` on the server: what it does for each session fails for the account of {url}. "
    "Accounts with CONNECTION_ADMIN (MariaDB: CONNECTION ADMIN) are spared it."
)
# Cases of errors 1290, 1226, 1184 and of a failed connection that only the words show.
_READ_ONLY = re.compile(r"read[-_]only", re.IGNORECASE)
_CONNECTIONS = "max_user_connections"
_CERTIFICATE = re.compile(r"certificate|\bSSL\b|\bTLS\b", re.IGNORECASE)


def error_number(error: BaseException) -> int | None:
    """Return the number of a driver's error, or None.

    It is the server's or the driver's.
    """
    if error.args and isinstance(error.args[0], int):
        return int(error.args[0]) or None
    match = _PYMYSQL.search(str(error))
    return int(match[1]) or None if match else None


def meaning_of(error: BaseException, *, is_mariadb: bool | None = None) -> Meaning:
    """Return what a driver's error means.

    `is_mariadb` is None where the server has not said yet what it is.
    """
    number, text = error_number(error), str(error)
    if _NO_SPACE in text or (_TEMPORARY_TABLE in text and _TEMPORARY_BROKEN.search(text)):
        return Meaning(Kind.FULL, _ROOM)
    if number is None:
        return _without_number(error, text)
    found = meaning_of_number(number, is_mariadb=is_mariadb)
    if number == _OPTION_PREVENTS and not _READ_ONLY.search(text):
        return Meaning(Kind.SETTING, found.fix)
    if number == _RESOURCE and _CONNECTIONS not in text:
        return Meaning(Kind.CROWDED, "Try again in an hour, or raise the limit that it names for the user of {url}.")
    if found.kind is Kind.UNREACHABLE and _CERTIFICATE.search(text):
        return Meaning(Kind.TLS, _FIXES[2026])
    return Meaning(found.kind, _OF_INIT_CONNECT) if _INIT_CONNECT in text else found


def meaning_of_number(number: int, *, is_mariadb: bool | None = None) -> Meaning:
    """Return what a number means.

    Without the server's name, what it means on both or on the only one that has it.
    """
    table = _table()
    servers = (_MYSQL, _MARIADB) if is_mariadb is None else ((_MARIADB,) if is_mariadb else (_MYSQL,))
    found = {table[number, server] for server in (*servers, _BOTH, _CLIENT) if (number, server) in table}
    return Meaning(found.pop(), _FIXES.get(number, "")) if len(found) == 1 else NOT_KNOWN


def why(error: BaseException) -> str:
    """Return a driver's error as one line.

    The server's sentence and its number.
    """
    number, *rest = error.args or ("",)
    text = f"{' '.join(str(part) for part in rest)} ({number})" if rest else str(number)
    return " ".join(text.split()) or type(error).__name__


def _without_number(error: BaseException, text: str) -> Meaning:
    """A connection that was closed has number 0; a certificate's error is Python's own."""
    if _CERTIFICATE.search(text):
        return Meaning(Kind.TLS, _FIXES[2026])
    is_closed = isinstance(error, OSError) or error.args[:1] == (0,)
    return Meaning(Kind.LOST) if is_closed else NOT_KNOWN


@cache
def _table() -> dict[tuple[int, str], Kind]:
    text = resources.files("databases.mysql").joinpath("errors.tsv").read_text(encoding="utf-8")
    lines = (line.split("\t") for line in text.splitlines() if not line.startswith("#"))
    return {(int(number), server): Kind(kind) for number, server, _, kind in lines}
