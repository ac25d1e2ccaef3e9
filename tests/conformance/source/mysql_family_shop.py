"""A day of purchases on MariaDB or MySQL that is read in slices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pymysql
import sqlalchemy as sa

from tests.conformance.source.sliced_shop import ROWS, Change, Do, SlicedShop
from tests.shop.mysql_words import in_words_of
from tests.shop.purchases import create_purchases


class MysqlFamilyShop(SlicedShop):
    """On MariaDB or MySQL; `do` also takes several statements with `;;` between them."""

    settle_seconds = 4  # the list of transactions knows seconds
    random = "RAND()"
    analyze = "ANALYZE TABLE purchases"
    harmless = ("UPDATE purchases SET amount = amount WHERE id = 1",)
    questions = (
        "user_id IN (SELECT user_id FROM (SELECT user_id FROM purchases) AS p)",
        "purchased_at < NOW()",
        "purchased_at < CURRENT_TIMESTAMP",
        "RAND() < 2",
    )
    changes: Mapping[Change, tuple[str, str]] = {
        "column gone": ("ALTER TABLE purchases DROP COLUMN note", "columns"),
        "more digits": ("ALTER TABLE purchases MODIFY amount decimal(14,3) NOT NULL", "columns"),
        "column renamed": ("ALTER TABLE purchases CHANGE note remark varchar(200)", "columns"),
        "emptied": ("TRUNCATE purchases", "emptied"),
        "rewritten": ("ALTER TABLE purchases FORCE", "rewritten"),
        "gone": ("DROP TABLE purchases", "can't be looked at"),
        "renamed": ("RENAME TABLE purchases TO purchases_old", "can't be looked at"),
        "swapped": (
            "CREATE TABLE twin LIKE purchases;; RENAME TABLE purchases TO purchases_old, twin TO purchases",
            "swapped",
        ),
    }
    cancelled = "interrupted"
    COLUMNS: Mapping[str, str | None] = {
        "id": "bigint AUTO_INCREMENT PRIMARY KEY",
        "purchased_at": "datetime(6) NOT NULL",
        "note": "varchar(200)",
    }
    _FILL = f"""
        INSERT INTO purchases (user_id, purchased_at, amount, note)
        SELECT seq MOD 97, '2026-11-13 23:00' + INTERVAL seq * 86399000000 DIV {ROWS} MICROSECOND, seq / 100,
               CASE seq MOD 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE CONCAT('tab\tand "quotes", ü\n', seq) END
        FROM seq_0_to_{ROWS - 1}
    """
    _WAITS: Mapping[str, str] = {
        "mariadb": "SELECT COALESCE(MAX(time_ms), 0) / 1000 FROM information_schema.processlist "
        "WHERE db = DATABASE() AND state = 'Waiting for table metadata lock'",
        "mysql": "SELECT COALESCE(MAX(timer_wait), 0) / 1e12 FROM performance_schema.events_statements_current "
        "JOIN performance_schema.threads USING (thread_id) "
        "WHERE processlist_db = DATABASE() AND processlist_state = 'Waiting for table metadata lock'",
    }

    def __init__(self, url: str, *, columns: Mapping[str, str | None] = COLUMNS, filled: bool = True) -> None:
        super().__init__(url)
        create_purchases(url, columns=columns)
        self.connection = _connect_mysql(url)
        if filled:
            self.do(self._FILL)
        self.do(self.analyze)

    @property
    def is_mysql(self) -> bool:
        """Whether it is Oracle's."""
        return self.url.startswith("mysql")

    def do(self, sql: str) -> list[Any]:
        return _do_on_mysql(self.connection, sql)

    @contextmanager
    def session(self) -> Iterator[Do]:
        connection = _connect_mysql(self.url)
        try:
            yield lambda sql: _do_on_mysql(connection, sql)
        finally:
            connection.close()

    def add_column(self, declared: str) -> None:
        self.do(f"ALTER TABLE purchases ADD COLUMN {declared} AFTER user_id, ALGORITHM=INSTANT")

    def widen_amount(self) -> None:
        self.do("ALTER TABLE purchases MODIFY amount decimal(14,4) NOT NULL")

    @contextmanager
    def prepared(self, name: str) -> Iterator[None]:
        with self.session() as do:
            do(f"XA START '{name}'")
            do("INSERT INTO purchases (user_id, purchased_at, amount) VALUES (1, '2026-01-01', 1)")
            do(f"XA END '{name}';; XA PREPARE '{name}'")
            try:
                yield
            finally:
                do(f"XA ROLLBACK '{name}'")

    def reader(self) -> AbstractContextManager[str]:
        return self.account()

    @contextmanager
    def account(self, *rights: str) -> Iterator[str]:
        """Give the URL of an account that may read the table, and has these rights besides."""
        ((database,),) = self.do("SELECT DATABASE()")
        user = f"'{f'reader_{database}'[:32]}'@'%'"
        self.do(f"CREATE USER {user} IDENTIFIED BY 'x';; GRANT SELECT ON purchases TO {user}")
        for right in rights:
            self.do(f"GRANT {right} ON *.* TO {user}")
        try:
            name = user.split("'")[1]
            yield sa.make_url(self.url).set(username=name, password="x").render_as_string(hide_password=False)
        finally:
            self.do(f"DROP USER {user}")

    def take_the_right_away(self, reader_url: str) -> None:
        self.do(f"REVOKE SELECT ON purchases FROM '{sa.make_url(reader_url).username}'@'%'")

    def lock(self, do: Do) -> None:
        do("LOCK TABLES purchases WRITE")

    def longest_wait_seconds(self, do: Do) -> float:
        ((seconds,),) = do(self._WAITS[sa.make_url(self.url).get_backend_name()])
        return float(seconds)

    def end_ours(self, slices: Any) -> None:
        with self.session() as do:
            do(f"KILL CONNECTION {slices.connection_id}")

    def cancel_ours(self, do: Do) -> None:
        for (number,) in do(
            "SELECT id FROM information_schema.processlist "
            "WHERE db = DATABASE() AND command = 'Query' AND id <> CONNECTION_ID()"
        ):
            try:
                do(f"KILL QUERY {number}")
            except pymysql.Error:
                continue  # it was through

    def count_ours(self, do: Do) -> int:
        ((others,),) = do(
            "SELECT COUNT(*) FROM information_schema.processlist "
            f"WHERE db = DATABASE() AND id NOT IN (CONNECTION_ID(), {self.connection.thread_id()})"
        )
        return int(others)

    def close(self) -> None:
        self.connection.close()


def _connect_mysql(url: str) -> Any:
    parts = sa.make_url(url)
    return pymysql.connect(
        host=parts.host or "",
        port=parts.port or 0,
        user=parts.username,
        password=parts.password or "",
        database=parts.database,
        charset="utf8mb4",
        autocommit=True,
        init_command="SET time_zone = '+00:00'",
    )


def _do_on_mysql(connection: Any, sql: str) -> list[Any]:
    with connection.cursor() as cursor:
        for statement in sql.split(";;"):
            cursor.execute(in_words_of(connection.get_server_info(), statement))
        return list(cursor.fetchall())
