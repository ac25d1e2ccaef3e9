"""MySQL and MariaDB by PyMySQL.

Rights the loader needs: CREATE TEMPORARY TABLES on the target's database, SELECT, INSERT, UPDATE and DELETE on the
target table, SELECT, INSERT and UPDATE on the ledger. `init` needs CREATE on the database. LOAD DATA LOCAL needs
`local_infile=ON` on the server; without it rows go by INSERT, slower.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import pymysql

from databases.errors import Kind, Meaning
from databases.mysql.driver import Connection
from databases.mysql.errors import meaning_of, why
from databases.mysql.grant import grant_to_paste
from databases.mysql.session import CONNECT_ERRORS, TLS_SQL, Setting, is_mariadb, open_session
from databases.tls import tell_connection
from loader.mysql.catalogue import find_table
from loader.mysql.insert import format_inserts
from loader.mysql.local import LocalConnection, can_load_bytes
from loader.mysql.sql import MysqlSql
from loader.target.database import Database
from loader.target.errors import RIGHTS, connect_error, load_error
from loader.target.sql import Staged
from loader.target.table import Column, Table
from loader.target.url import DatabaseUrl
from staging.config.pipeline import LoadConfig
from staging.errors import InputError, IntegrityError, PenstockError

_STAGED = "penstock_staged"
_SQL_MODE = "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION"
_INSERT_BYTES = 1024 * 1024
_KEY_TWICE = 1062
_NO_SUCH_CHARACTER = 1366
_NO_SUCH_VALUE = {1265, 1292, 1366}  # of an enum, a UUID, a character set
_NO_PAD_COLLATIONS = ("utf8mb4_nopad_bin", "utf8mb4_0900_bin")  # MariaDB's, MySQL's: 'a' and 'a ' are two keys


class MysqlDatabase(Database):
    """One connection to MySQL or MariaDB."""

    name = "MySQL"

    def __init__(self, url: DatabaseUrl, patience: LoadConfig) -> None:
        self._url = url
        self._patience = patience
        self._connection: LocalConnection = self._connect()
        self.name = "MariaDB" if is_mariadb(self._connection) else "MySQL"
        self.sql = MysqlSql("utf8mb4_bin")
        ((self._local_infile, packet_bytes),) = self.query("SELECT @@local_infile, @@max_allowed_packet")
        self._insert_bytes = min(_INSERT_BYTES, int(packet_bytes) // 2)
        self.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
        self.sql = MysqlSql(self._collation())

    def describe_connection(self) -> str:
        """See `Database`."""
        found = self.query(TLS_SQL)
        return tell_connection(self._url.mode, found[0][1] if found else "", self._url.place)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement."""
        with self._translated(), self._connection.cursor() as cursor:
            return int(cursor.execute(statement, tuple(values)))

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return all its rows."""
        with self._translated(), self._connection.cursor() as cursor:
            cursor.execute(statement, tuple(values))
            return list(cursor.fetchall())

    def begin(self) -> None:
        """Begin a transaction.

        `wait_timeout` ends a silent connection on every server, inside a transaction, too.
        """
        self.execute("SET SESSION wait_timeout = %s", (self._patience.idle_timeout_seconds,))
        self.execute("START TRANSACTION")

    def commit(self) -> None:
        """Commit."""
        self.execute("COMMIT")

    def rollback(self) -> None:
        """Roll back."""
        with contextlib.suppress(pymysql.Error):
            self._connection.rollback()

    def find_table(self, schema: str | None, name: str) -> Table | None:
        """Return what the catalogue says of a table, or None."""
        if schema is None and self.query("SELECT DATABASE()") == [(None,)]:
            raise InputError(
                "target.url names no database.", why=f"{name} could lie in any.", fix="Put it at the URL's end."
            )
        return find_table(self.query, schema, name)

    def create_staged(self, target: Table, key: Sequence[Column], values: Sequence[Column]) -> Staged:
        """Create the temporary table by asking for no row of the target.

        Its primary key makes the joins quick.
        """
        staged = Staged(self.sql.qualified(target.schema, _STAGED), target, tuple(key), tuple(values))
        names = ", ".join(self.sql.quote(column.name) for column in staged.columns)
        self.execute(f"DROP TEMPORARY TABLE IF EXISTS {staged.name}")
        self.execute(
            f"CREATE TEMPORARY TABLE {staged.name} (PRIMARY KEY ({self.sql.key_list(staged)})) ENGINE=InnoDB"
            f" AS SELECT {names} FROM {self.sql.of(target)} WHERE 1 = 0"
        )
        return staged

    def append_staged(self, staged: Staged, rows: pl.DataFrame, text: bytes) -> None:
        """LOAD DATA LOCAL the text, or INSERT the rows.

        A warning means that a value was changed: IntegrityError.
        """
        if self._local_infile and can_load_bytes():
            with self._translated():
                self._connection.load_bytes(self._load_data(staged, rows), text)
            self._check_warnings()
            return
        names = ", ".join(self.sql.quote(column.name) for column in staged.columns)
        for statement in format_inserts(
            f"{staged.name} ({names})".replace("%%", "%"), rows, max_bytes=self._insert_bytes
        ):
            with self._translated():
                self._connection.query(statement)
            self._check_warnings()

    def finish_staged(self, staged: Staged) -> None:
        """InnoDB counts as it goes."""

    def interrupt(self) -> None:
        """Kill the connection by a second one.

        PyMySQL waits in a read, which only that ends.
        """
        with contextlib.suppress(pymysql.Error, OSError, PenstockError):
            other = Connection(**(self._arguments() | {"connect_timeout": 2, "read_timeout": 2}))
            with other, other.cursor() as cursor:
                cursor.execute(f"KILL CONNECTION {self._connection.thread_id()}")

    def close(self) -> None:
        """Close."""
        with contextlib.suppress(pymysql.Error, OSError):
            self._connection.close()

    def _connect(self) -> LocalConnection:
        try:
            connection: LocalConnection = open_session(self._arguments(), self._session(), make=LocalConnection)
        except CONNECT_ERRORS as exc:
            raise connect_error(meaning_of(exc), "MySQL or MariaDB", why=why(exc)) from exc
        return connection

    def _arguments(self) -> dict[str, Any]:
        return {**self._url.plan_arguments(), "local_infile": can_load_bytes()}

    def _session(self) -> dict[str, Setting]:
        return {
            "sql_mode": _SQL_MODE,
            "innodb_lock_wait_timeout": self._patience.lock_timeout_seconds,
            "lock_wait_timeout": self._patience.lock_timeout_seconds,
            "idle_transaction_timeout": self._patience.idle_timeout_seconds,  # MariaDB
        }

    def _collation(self) -> str:
        marks = ", ".join("%s" for _ in _NO_PAD_COLLATIONS)
        found = self.query(
            f"SELECT collation_name FROM information_schema.collations WHERE collation_name IN ({marks})",
            _NO_PAD_COLLATIONS,
        )
        return str(found[0][0]) if found else "utf8mb4_bin"

    def _load_data(self, staged: Staged, rows: pl.DataFrame) -> str:
        """Return LOAD DATA from INTO TABLE on; bytes come as hexadecimal digits."""
        binary = [name for name, dtype in rows.schema.items() if dtype == pl.Binary]
        names = [f"@b{binary.index(c.name)}" if c.name in binary else self.sql.quote(c.name) for c in staged.columns]
        unhex = ", ".join(f"{self.sql.quote(name)} = UNHEX(@b{number})" for number, name in enumerate(binary))
        statement = (
            f"INTO TABLE {staged.name} CHARACTER SET utf8mb4"
            " FIELDS TERMINATED BY '\\t' ENCLOSED BY '' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n' STARTING BY ''"
            f" ({', '.join(names)}){' SET ' + unhex if unhex else ''}"
        )
        return statement.replace("%%", "%")

    def _check_warnings(self) -> None:
        # In MySQL a SELECT, even of @@warning_count, clears the warnings; SHOW does so on no server.
        if self.query("SHOW COUNT(*) WARNINGS") == [(0,)]:
            return
        warnings = self.query("SHOW WARNINGS LIMIT 3")
        why = "; ".join(f"{text} ({number})" for _, number, text in warnings) or "it gave warnings"
        numbers = {number for _, number, _ in warnings}
        if numbers & _NO_SUCH_VALUE:
            charset = ": utf8mb4 holds every text" if _NO_SUCH_CHARACTER in numbers else ""
            raise InputError(
                "A column of the target can't hold a value of the day exactly.",
                why=why,
                fix=f"Change the column{charset}. Nothing was loaded.",
            )
        twice = " A key stands twice." if _KEY_TWICE in numbers else ""
        raise IntegrityError(
            f"{self.name} changed values while they were staged.{twice}",
            why=why,
            fix="Nothing was loaded. Compare the target's columns with what `penstock init` would create.",
        )

    def _grant(self, said: str) -> str:
        """Return the GRANT for what was denied; the account's name may differ from the one that logged in."""
        with contextlib.suppress(pymysql.Error), self._connection.cursor() as cursor:
            cursor.execute("SELECT CURRENT_USER(), DATABASE()")
            ((account, database),) = cursor.fetchall()
            return grant_to_paste(said, account, database or "", RIGHTS, "CREATE TEMPORARY TABLES, CREATE")
        return ""

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except pymysql.Error as exc:
            meaning = meaning_of(exc, is_mariadb=self.name == "MariaDB")
            if meaning.kind is Kind.RIGHT:
                meaning = Meaning(Kind.RIGHT, self._grant(str(exc)) or meaning.fix)
            raise load_error(meaning, self.name, why=why(exc)) from exc
