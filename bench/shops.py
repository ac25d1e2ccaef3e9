"""Days of purchases, made inside the database: every row of the day 2026-11-14 in UTC, ids that rise with time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date, timedelta
from pathlib import Path

from tests.servers.mysql_family import MysqlFamilyServer
from tests.servers.postgres import PostgresServer
from tests.shop.mysql_words import in_words_of

DAY = "2026-11-14"
NEXT_DAY = "2026-11-15"
_PIPELINE = """
name = "bench"
[source]
url = "{source}"
table = "{table}"
key = "user_id"
time = "purchased_at"
columns = {columns}
timezone = "UTC"
[staging]
url = "{staging}"
[export]
shards = {shards}
max_snapshot_seconds = 3600
[target]
url = "{target}"
table = "revenue"
"""

BESIDE = """
[source.with.refunds]
table = "refunds"
key = "user_id"
time = "refunded_at"
columns = ["amount"]
[source.with.users]
table = "users"
key = "id"
columns = ["country"]
only_keys = false
"""


def write_pipeline(
    path: Path,
    *,
    source: str,
    staging: Path,
    shards: int,
    table: str = "purchases",
    columns: str = '["amount"]',
    more: str = "",
) -> Path:
    """Write a pipeline file whose source is its target, and make its staging folder."""
    staging.mkdir(exist_ok=True)
    text = _PIPELINE.format(
        source=source, target=source, staging=staging.as_uri(), shards=shards, table=table, columns=columns
    )
    path.write_text(text + more, encoding="utf-8")
    return path


def fill(server: PostgresServer | MysqlFamilyServer, rows: int, *, users: int = 1_000_000, days: int = 1) -> str:
    """As `fill_postgres` or `fill_mysql_family`."""
    if isinstance(server, PostgresServer):
        return fill_postgres(server, rows, users=users, days=days)
    return fill_mysql_family(server, rows, users=users, days=days)


def fill_postgres(
    server: PostgresServer, rows: int, *, users: int = 1_000_000, extra_bytes: int = 0, days: int = 1
) -> str:
    """Return the name of a new database whose table `purchases` has so many rows, in an index on time; DAY is the last."""
    name = server.create_database()
    extra = f", note text DEFAULT '{'x' * extra_bytes}'" if extra_bytes else ""
    with server.connect(name) as connection:
        connection.execute(
            "CREATE TABLE purchases (purchase_id bigint NOT NULL, user_id bigint NOT NULL,"
            f" amount numeric(12,2) NOT NULL, purchased_at timestamptz NOT NULL{extra})"
        )
        connection.execute(
            "INSERT INTO purchases SELECT n, (n * 7919::bigint * 104729) % %s, ((n * 31) %% 100000) / 100.0,"
            " '2026-11-14T00:00:00Z'::timestamptz - %s * interval '1 day'"
            " + n * (%s * interval '86399 seconds' / %s)"
            " FROM generate_series(1::bigint, %s) n".replace("% %s,", "%% %s,"),
            (users, days - 1, days, rows, rows),
        )
        connection.execute("ALTER TABLE purchases ADD PRIMARY KEY (purchase_id)")
        connection.execute("CREATE INDEX ON purchases (purchased_at)")
        connection.execute(
            "CREATE TABLE stock AS SELECT n AS item_id, 1000000 AS pieces FROM generate_series(1, 1000) n"
        )
        connection.execute("ALTER TABLE stock ADD PRIMARY KEY (item_id)")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE purchases")
    return name


def add_tables_beside(server: PostgresServer, database: str, rows: int) -> tuple[int, int]:
    """Add a fifth as many refunds as purchases and a fiftieth as many users; return how many there are."""
    refunds, users = rows // 5, rows // 50
    with server.connect(database) as connection:
        connection.execute(
            f"CREATE TABLE refunds AS SELECT purchase_id, user_id, amount, purchased_at AS refunded_at"
            f" FROM purchases WHERE purchase_id <= {refunds}"
        )
        connection.execute("ALTER TABLE refunds ADD PRIMARY KEY (purchase_id)")
        connection.execute("CREATE INDEX ON refunds (refunded_at)")
        connection.execute(
            f"CREATE TABLE users AS SELECT n AS id, 'DE'::varchar(2) AS country FROM generate_series(0::bigint, {users - 1}) n"
        )
        connection.execute("ALTER TABLE users ADD PRIMARY KEY (id)")
        connection.commit()
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    return refunds, users


def fill_mysql_family(server: MysqlFamilyServer, rows: int, *, users: int = 1_000_000, days: int = 1) -> str:
    """Return the name of a new database whose table `purchases` has so many rows, in an index on time; DAY is the last."""
    name = server.create_database()
    with server.connect(name) as connection, connection.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE purchases (purchase_id BIGINT NOT NULL PRIMARY KEY, user_id BIGINT NOT NULL,"
            " amount DECIMAL(12,2) NOT NULL, purchased_at DATETIME(6) NOT NULL, KEY (purchased_at))"
        )
        version = str(connection.get_server_info())
        cursor.execute(
            in_words_of(
                version,
                f"INSERT INTO purchases SELECT seq, (seq * 7919 * 104729) % {users}, ((seq * 31) % 100000) / 100,"
                f" '2026-11-14' - INTERVAL {days - 1} DAY + INTERVAL (seq * ({days} * 86399000000 DIV {rows})) MICROSECOND"
                f" FROM seq_1_to_{rows}",
            )
        )
        cursor.execute("CREATE TABLE stock (item_id INT NOT NULL PRIMARY KEY, pieces INT NOT NULL)")
        cursor.execute(in_words_of(version, "INSERT INTO stock SELECT seq, 1000000 FROM seq_1_to_1000"))
        connection.commit()
        cursor.execute("ANALYZE TABLE purchases")
    return name


def fill_sqlite(path: Path, first: date, days: int, rows: int) -> str:
    """Return the URL of a new file whose table `purchases` has so many rows on each day, in an index on time."""
    with closing(sqlite3.connect(path)) as shop:
        shop.execute(
            "CREATE TABLE purchases (purchase_id INTEGER PRIMARY KEY, user_id INTEGER NOT NULL,"
            " amount DECIMAL(12,2) NOT NULL, purchased_at TIMESTAMP NOT NULL)"
        )
        for number in range(days):
            day = str(first + timedelta(days=number))
            shop.executemany(
                "INSERT INTO purchases (user_id, amount, purchased_at)"
                " VALUES (?, ?, strftime('%Y-%m-%d %H:%M:%f', ?, ?) || '000')",
                ((row % 1000, f"{row % 97}.25", day, f"+{row * 86_399 // rows} seconds") for row in range(rows)),
            )
        shop.execute("CREATE INDEX by_time ON purchases (purchased_at)")
        shop.commit()
    return f"sqlite:///{path}"
