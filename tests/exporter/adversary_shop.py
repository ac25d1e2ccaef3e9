"""A small day on any database, laid out as an attack wants it, made anew for each export."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

import sqlalchemy as sa

ROWS = 60
SLICES = 8
START = datetime(2026, 11, 13, 23, tzinfo=UTC)  # of 2026-11-14 in Berlin
SECONDS = 86_400

Row = tuple[int, datetime, Decimal, str]
Layout = Literal["plain", "key", "parts", "heirs"]
"""`key`: no index on the time, so it is cut along the key; `parts` and `heirs` are PostgreSQL's."""

_COLUMNS = {
    "postgresql": "(id bigint NOT NULL, user_id bigint NOT NULL, purchased_at timestamptz NOT NULL, "
    "amount numeric(12,2) NOT NULL, tax numeric(12,2) NOT NULL, note text NOT NULL",
    "mysql": "(id bigint NOT NULL, user_id bigint NOT NULL, purchased_at datetime(6) NOT NULL, "
    "amount decimal(12,2) NOT NULL, tax decimal(12,2) NOT NULL, note varchar(80) CHARACTER SET ascii NOT NULL",
}
# The exporter waits for an attack to end: one that waits for the exporter would wait for itself.
_SHORTLY = {
    "postgresql": ("SET lock_timeout = '60ms'", "SET statement_timeout = '2s'"),
    "mysql": ("SET SESSION innodb_lock_wait_timeout = 1", "SET SESSION lock_wait_timeout = 1"),
}
_PATIENTLY = {
    "postgresql": ("SET lock_timeout = '60s'", "SET statement_timeout = '60s'"),
    "mysql": ("SET SESSION innodb_lock_wait_timeout = 60", "SET SESSION lock_wait_timeout = 60"),
}


@dataclass
class Shop:
    """A table `purchases` of 60 rows, and a connection of who attacks it."""

    url: str
    engine: sa.Engine
    connection: sa.Connection
    where: str | None = None

    @classmethod
    def create(cls, url: str) -> Shop:
        """Connect; `fill` makes the table."""
        # A plan that psycopg had prepared would outlive the columns.
        options = {"prepare_threshold": None} if url.startswith("postgresql") else {}
        engine = sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT", connect_args=options)
        return cls(url, engine, engine.connect())

    @property
    def backend(self) -> str:
        """`postgresql` or `mysql`, which is MariaDB, too."""
        return "postgresql" if self.engine.dialect.name == "postgresql" else "mysql"

    def do(self, *statements: str) -> list[Any]:
        """Run them one after another, each committed by itself; return the rows of the last."""
        found: list[Any] = []
        for statement in statements:
            result = self.connection.exec_driver_sql(statement)
            found = list(result) if result.returns_rows else []
        return found

    def other(self) -> sa.Connection:
        """A connection of its own, for what commits late."""
        made = self.engine.connect()
        for setting in _SHORTLY[self.backend]:
            made.exec_driver_sql(setting)
        return made

    def close(self) -> None:
        """Let go of the connection."""
        self.connection.close()
        self.engine.dispose()

    def fill(self, rng: random.Random, layout: Layout, where: str | None) -> None:
        """Make the table anew; `where` is of the pipeline that will read it."""
        self.where = where
        self.do(*_PATIENTLY[self.backend])
        made = ("purchases", "aside", "twin", "chosen", "purchases_1", "purchases_2", "heir")
        self.do(f"DROP TABLE IF EXISTS {', '.join(made)}{' CASCADE' if self.backend == 'postgresql' else ''}")
        columns = _COLUMNS[self.backend]
        match layout:
            case "parts":
                key = "PRIMARY KEY (id, purchased_at)"
                self.do(f"CREATE TABLE purchases {columns}, {key}) PARTITION BY RANGE (purchased_at)")
                noon = "2026-11-14 11:00+00"
                self.do(f"CREATE TABLE purchases_1 PARTITION OF purchases FOR VALUES FROM (MINVALUE) TO ('{noon}')")
                self.do(f"CREATE TABLE purchases_2 PARTITION OF purchases FOR VALUES FROM ('{noon}') TO (MAXVALUE)")
            case "heirs":
                self.do(f"CREATE TABLE purchases {columns}, PRIMARY KEY (id))")
                self.do("CREATE TABLE heir (LIKE purchases INCLUDING ALL) INHERITS (purchases)")
            case _:
                self.do(f"CREATE TABLE purchases {columns}, PRIMARY KEY (id))")
        if layout != "key":
            self.do("CREATE INDEX by_time ON purchases (purchased_at)")
        if layout == "heirs":
            self.do("CREATE INDEX heirs_by_time ON heir (purchased_at)")
        times = sorted(rng.uniform(0, SECONDS - 1) for _ in range(ROWS))
        rows = [self.values(rng, n * 10, at) for n, at in enumerate(times, start=1)]
        into = [("purchases", rows)] if layout != "heirs" else [("purchases", rows[::2]), ("heir", rows[1::2])]
        for table, some in into:
            self.do(f"INSERT INTO {table} VALUES {', '.join(some)}")
        chosen = ", ".join(f"({number})" for number in range(10, ROWS * 5, 10))
        self.do("CREATE TABLE chosen (id bigint PRIMARY KEY)", f"INSERT INTO chosen VALUES {chosen}")
        self.do(*_SHORTLY[self.backend])

    def values(self, rng: random.Random, number: int, seconds: float, *, amount: Decimal | None = None) -> str:
        """A row as VALUES has it."""
        at = f"{(START + timedelta(seconds=round(seconds, 3))).replace(tzinfo=None)}"
        zone = "+00" if self.backend == "postgresql" else ""
        paid = amount if amount is not None else Decimal(rng.randrange(1, 100_000)) / 100
        tax = Decimal(rng.randrange(1, 1000)) / 100
        return f"({number}, {rng.randrange(50)}, '{at}{zone}', {paid}, {tax}, '{'0' * 64}')"

    def rows(self) -> list[Row]:
        """What the day holds now, by plain SQL."""
        zone = "+00" if self.backend == "postgresql" else ""
        day = f"purchased_at >= '2026-11-13 23:00{zone}' AND purchased_at < '2026-11-14 23:00{zone}'"
        also = f" AND ({self.where})" if self.where else ""
        found = self.do(f"SELECT user_id, purchased_at, amount, note FROM purchases WHERE {day}{also}")
        return sorted(as_row(*row) for row in found)

    def ids(self) -> list[int]:
        """All keys there are."""
        return [row[0] for row in self.do("SELECT id FROM purchases ORDER BY id")]

    def let_go(self, state: dict[str, Any]) -> None:
        """End what an attack has left open."""
        late = state.get("late")
        if late is None:
            return
        for ending in ("ROLLBACK", "ROLLBACK PREPARED 'waits'", "XA ROLLBACK 'waits'"):
            with suppress(sa.exc.DBAPIError):  # nothing is left, or it is another database's
                late.exec_driver_sql(ending)
        late.close()


def as_row(user_id: Any, at: Any, amount: Any, note: Any) -> Row:
    """A row as both sides have it: exact, in UTC."""
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return int(user_id), at.astimezone(UTC), Decimal(str(amount)), str(note)
