"""PostgreSQL by psycopg.

Rights the loader needs: CONNECT and TEMPORARY on the database, USAGE on the schema, SELECT, INSERT, UPDATE and DELETE
on the target table, SELECT, INSERT and UPDATE on the ledger. `init` needs CREATE on the schema.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl
import psycopg

from databases.errors import Kind, Meaning
from databases.postgres.errors import meaning_of, why
from databases.postgres.grant import grant_to_paste
from databases.postgres.session import TLS_SQL, open_session
from databases.tls import tell_connection
from loader.postgres.catalogue import find_table
from loader.postgres.sql import PostgresSql
from loader.target.database import Database
from loader.target.errors import RIGHTS, ConnectionLostError, connect_error, load_error
from loader.target.row_text import format_rows
from loader.target.sql import Staged
from loader.target.table import Column, Table
from loader.target.url import DatabaseUrl
from staging.config.pipeline import LoadConfig
from staging.errors import UnavailableError

_STAGED = "penstock_staged"


class PostgresDatabase(Database):
    """One connection to PostgreSQL."""

    name = "PostgreSQL"

    def __init__(self, url: DatabaseUrl, patience: LoadConfig) -> None:
        self.sql = PostgresSql()
        self._mode = url.mode
        try:
            self._connection = open_session(url.plan_arguments(), _session(patience))
        except psycopg.Error as exc:
            raise connect_error(meaning_of(exc), self.name, why=why(exc)) from exc
        # A commit that was acknowledged has to survive the server's crash; a stricter setting stays as it is.
        self.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )

    def describe_connection(self) -> str:
        """See `Database`."""
        ((version, place),) = self.query(TLS_SQL)
        return tell_connection(self._mode, str(version or ""), str(place or ""))

    def execute(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Run a statement."""
        with self._translated():
            return self._connection.execute(statement.encode(), values).rowcount

    def query(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement; return all its rows."""
        with self._translated():
            return self._connection.execute(statement.encode(), values).fetchall()

    def begin(self) -> None:
        """Begin a transaction.

        READ WRITE is not asked for: a role that was made read-only must stay so.
        """
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def run_deferred(self) -> None:
        """Run deferred constraint triggers, which may write as any other (https://www.postgresql.org/docs/current/sql-set-constraints.html)."""
        self.execute("SET CONSTRAINTS ALL IMMEDIATE")

    def commit(self) -> None:
        """Commit; the answer must say so.

        A transaction that failed before answers COMMIT with ROLLBACK.
        """
        with self._translated():
            answer = self._connection.execute("COMMIT").statusmessage
        if answer != "COMMIT":
            raise UnavailableError("PostgreSQL rolled the transaction back.", why=f"COMMIT was answered with {answer}.")

    def rollback(self) -> None:
        """Roll back."""
        with contextlib.suppress(psycopg.Error):
            self._connection.execute("ROLLBACK")

    def find_table(self, schema: str | None, name: str) -> Table | None:
        """Return what the catalogue says of a table, or None."""
        return find_table(self.query, schema, name)

    def create_staged(self, target: Table, key: Sequence[Column], values: Sequence[Column]) -> Staged:
        """Create the temporary table by asking for no row of the target."""
        staged = Staged(self.sql.qualified("pg_temp", _STAGED), target, tuple(key), tuple(values))
        names = ", ".join(self.sql.quote(column.name) for column in staged.columns)
        self.execute(f"DROP TABLE IF EXISTS {staged.name}")
        self.execute(f"CREATE TEMPORARY TABLE {_STAGED} AS SELECT {names} FROM {self.sql.of(target)} WITH NO DATA")
        return staged

    def append_staged(self, staged: Staged, rows: pl.DataFrame, text: bytes) -> None:
        r"""COPY the rows; bytes are written `\xfe09`."""
        binary = [name for name, dtype in rows.schema.items() if dtype == pl.Binary]
        if binary:
            as_text = [(pl.lit("\\x") + pl.col(name).bin.encode("hex")).alias(name) for name in binary]
            text = format_rows(rows.with_columns(as_text))
        names = ", ".join(self.sql.quote(column.name) for column in staged.columns).replace("%%", "%")
        with (
            self._translated(),
            self._connection.cursor() as cursor,
            cursor.copy(f"COPY {staged.name} ({names}) FROM STDIN".encode()) as copy,
        ):
            copy.write(text)

    def finish_staged(self, staged: Staged) -> None:
        """Tell the planner what is there."""
        self.execute(f"ANALYZE {staged.name}")

    def interrupt(self) -> None:
        """Ask the server to cancel what is running."""
        with contextlib.suppress(psycopg.Error):
            self._connection.cancel_safe(timeout=2)

    def close(self) -> None:
        """Close."""
        with contextlib.suppress(psycopg.Error):
            self._connection.close()

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except psycopg.Error as exc:
            if self._connection.closed:
                raise ConnectionLostError("The connection to PostgreSQL is lost.", why=_first_line(exc)) from exc
            meaning = meaning_of(exc)
            if meaning.kind is Kind.RIGHT:
                grant = grant_to_paste(str(exc), self._connection.info.user, RIGHTS, "USAGE, CREATE")
                meaning = Meaning(Kind.RIGHT, grant or meaning.fix)
            raise load_error(meaning, self.name, why=why(exc)) from exc


def _session(patience: LoadConfig) -> dict[str, str]:
    return {
        "lock_timeout": f"{patience.lock_timeout_seconds}s",
        "idle_in_transaction_session_timeout": f"{patience.idle_timeout_seconds}s",
        "work_mem": "64MB",
    }


def _first_line(exc: psycopg.Error) -> str:
    return (str(exc).strip() or type(exc).__name__).splitlines()[0]
