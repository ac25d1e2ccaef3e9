"""Rows of a snapshot of MariaDB and MySQL come as texts: cut to what a packet holds, or one by one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from staging.errors import PenstockError
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.shop.purchases import create_purchases
from tests.shop.tables import Database

pytestmark = pytest.mark.integration

ODD = ("", '"', ",.", 'a,."\nb', "\n", "\\", "\\n", "\r\n", "'", "é", "東京 🦊", "%s", " end ", "x" * 300, None)
ROWS: list[tuple[object, ...]] = [
    (n, datetime(2026, 11, 14) + timedelta(seconds=17 * n), f"{n}.50", ODD[n % len(ODD)])  # noqa: DTZ001 - a wall clock
    for n in range(300)
]
PRIMARY, TIME, NOTHING = "by its primary key", "by its time", "not at all"


def make(url: str, first: str = PRIMARY, *, charset: str = "utf8mb4") -> Database:
    """A table of 300 purchases with odd notes."""
    columns = {
        "id": "bigint AUTO_INCREMENT PRIMARY KEY" if first == PRIMARY else "varchar(36)",
        "user_id": "int NOT NULL",
        "purchased_at": "datetime(3) NOT NULL",
        "amount": "decimal(10,2) NOT NULL",
        "note": f"text CHARACTER SET {charset}",
    }
    database = create_purchases(url, columns=columns, index=first == TIME)
    database.execute("INSERT INTO purchases (user_id, purchased_at, amount, note) VALUES (%s, %s, %s, %s)", ROWS)
    return database


def export(url: str, folder: Path, *, read: str = "snapshot", **source: Any) -> list[tuple[Any, ...]]:
    """User, time, amount and note of each row of the day, sorted by user."""
    made = pipeline(url, folder, export={"read": read}, columns=["amount", "note"], timezone="UTC", **source)
    rows = run_export(calm(made) if read == "slices" else made).rows()
    return sorted((row["user_id"], row["purchased_at"], f"{row['amount']}", row["note"]) for row in rows)


def expected(database: Database, where: str = "1") -> list[tuple[Any, ...]]:
    """The same by the bare driver."""
    found = database.execute(f"SELECT user_id, purchased_at, amount, note FROM purchases WHERE {where}")
    return sorted((user, at.replace(tzinfo=UTC), f"{amount}", note) for user, at, amount, note in found)


@contextmanager
def packets_of(database: Database, size_bytes: int) -> Iterator[None]:
    """New sessions may send so many bytes at once."""
    ((before,),) = database.execute("SELECT @@GLOBAL.max_allowed_packet")
    database.execute(f"SET GLOBAL max_allowed_packet = {size_bytes}")
    try:
        yield
    finally:
        database.execute(f"SET GLOBAL max_allowed_packet = {before}")


@pytest.mark.parametrize("first", [PRIMARY, TIME, NOTHING])
def test_odd_texts_come_as_they_are_however_the_table_is_cut(
    mysql_family_database: str, tmp_path: Path, first: str
) -> None:
    database = make(mysql_family_database, first)
    assert export(mysql_family_database, tmp_path) == expected(database)


def test_a_view_is_read_row_by_row(mysql_family_database: str, tmp_path: Path) -> None:
    database = make(mysql_family_database)
    database.execute("CREATE VIEW seen AS SELECT user_id, purchased_at, amount, note FROM purchases WHERE user_id > 9")
    assert export(mysql_family_database, tmp_path, table="seen") == expected(database, "user_id > 9")


@pytest.mark.parametrize("first", [PRIMARY, TIME])
def test_what_does_not_fit_into_a_packet_is_read_in_shorter_pieces(
    mysql_family_database: str, tmp_path: Path, first: str
) -> None:
    database = make(mysql_family_database, first)
    with packets_of(database, 4096):
        rows = export(mysql_family_database, tmp_path)
    assert rows == expected(database)


@pytest.mark.parametrize("kind", ["text", "text NOT NULL", "blob", "blob NOT NULL"])
@pytest.mark.parametrize(("first", "read"), [(PRIMARY, "snapshot"), (NOTHING, "snapshot"), (PRIMARY, "slices")])
def test_a_row_that_no_packet_holds_is_refused(
    mysql_family_database: str, tmp_path: Path, first: str, read: str, kind: str
) -> None:
    database = make(mysql_family_database, first)
    database.execute(f"ALTER TABLE purchases DROP note, ADD note {kind} DEFAULT ('x')")
    database.execute("UPDATE purchases SET note = REPEAT('long', 600) WHERE user_id = 77")  # in hexadecimal twice that
    if kind.startswith("text"):
        database.execute("UPDATE purchases SET note = REPEAT('\"', 2400) WHERE user_id = 77")  # each is doubled
    with packets_of(database, 4096), pytest.raises(PenstockError, match="max_allowed_packet"):
        export(mysql_family_database, tmp_path, read=read)


@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("charset", ["utf8mb4", "latin1"])
@pytest.mark.parametrize("where", ["note = 'Köln'", "note = _utf8mb4 X'4BC3B66C6E'", "note <> 'Köln' AND note >= 'x'"])
def test_a_condition_means_what_it_says_in_any_character_set(
    mysql_family_database: str, tmp_path: Path, read: str, charset: str, where: str
) -> None:
    database = make(mysql_family_database)
    database.execute("UPDATE purchases SET note = ELT(1 + user_id % 6, 'Köln', 'koln', 'Kln', 'xyz', 'Zürich', 'K?ln')")
    database.execute(f"ALTER TABLE purchases MODIFY note varchar(20) CHARACTER SET {charset}")
    wanted = expected(database, where)
    assert 0 < len(wanted) < 300
    assert export(mysql_family_database, tmp_path, read=read, where=where) == wanted


@pytest.mark.parametrize("digits", range(7))
def test_times_of_any_precision_come_as_they_are(mysql_family_database: str, tmp_path: Path, digits: int) -> None:
    database = make(mysql_family_database)
    database.execute(f"ALTER TABLE purchases MODIFY purchased_at datetime({digits}) NOT NULL")
    database.execute("UPDATE purchases SET purchased_at = purchased_at + INTERVAL user_id * 1001 MICROSECOND")
    assert export(mysql_family_database, tmp_path) == expected(database)
