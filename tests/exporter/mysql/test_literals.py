"""Conditions and computed columns mean what they mean in a session of utf8mb4, whatever spares the server work."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporter.mysql.row_text import ANY_LITERAL, plan_charset
from exporter.port.source import Statement
from tests.exporter.days import pipeline, run_export
from tests.exporter.sliced_reads import calm
from tests.servers.mariadb import MariadbServer
from tests.shop.purchases import create_purchases

PLAIN = (
    None,
    "state = 'paid'",
    "state <> 'paid' AND amount >= -0.5",
    "(p.state IN ('a', 'b') OR NOT `od d` = 3) and gone is null",
    "state NOT IN ('a',\"b\") AND amount BETWEEN 1 AND 2 AND note IS NOT NULL",
)
COMPUTED = (
    "state = 'x' COLLATE utf8mb4_bin",
    "CONCAT(state, '') = '1 '",
    "CONCAT (state) = '1 '",
    "state = 'a' 'b'",
    "'a' = 'a '",
    "state = CONCAT(1)",
    "IN ('a ') = 1",
    "COALESCE('x = ', 'y') = 'q'",
    "f('a = 1 AND b = 2') = 1",
    "state LIKE '1%'",
    "state = 'é'",
    "state = 1 || '1 ' = '1'",
    "BINARY state = 'a'",
    "CASE WHEN state = 1 THEN 'a' END = 'a '",
    "state = @a",
    "state + 1 = 2",
    "state IN ('a', CONCAT(1))",
    "state = _utf8mb4'x'",
    "state -> '$.a' = 1",
    "flag",
)
WHERE = ("CONCAT(state, '') = '1 '", "CAST(state AS CHAR) COLLATE utf8mb4_bin = '1'", "state = '1' COLLATE utf8mb4_bin")


def _statement(where: str | None) -> Statement:
    return Statement((), "t", "at", 0, 1, where, repr)


@pytest.mark.parametrize("where", PLAIN)
def test_columns_against_literals_spare_the_conversion(where: str | None) -> None:
    assert plan_charset(_statement(where), all_stored=True) != ANY_LITERAL
    assert plan_charset(_statement(where), all_stored=False) == ANY_LITERAL


@pytest.mark.parametrize("where", COMPUTED)
def test_what_is_not_known_to_be_such_a_comparison_does_not(where: str) -> None:
    assert plan_charset(_statement(where), all_stored=True) == ANY_LITERAL


@pytest.mark.integration
@pytest.mark.parametrize("read", ["snapshot", "slices"])
@pytest.mark.parametrize("where", WHERE)
def test_a_condition_chooses_what_it_chooses_in_a_session_of_utf8mb4(
    mysql_family_database: str, tmp_path: Path, where: str, read: str
) -> None:
    columns = {"purchased_at": "datetime(6) NOT NULL", "state": "int NOT NULL"}
    rows = [(n, n, f"2026-11-14 1{n}:00", n, n % 3) for n in range(9)]
    database = create_purchases(mysql_family_database, rows, columns=columns)
    chosen = database.execute(f"SELECT user_id FROM purchases WHERE {where}")
    made = pipeline(mysql_family_database, tmp_path, export={"read": read}, where=where)
    assert sorted(row["user_id"] for row in run_export(calm(made)).rows()) == sorted(user for (user,) in chosen)


@pytest.mark.integration
@pytest.mark.parametrize("read", ["snapshot", "slices"])
def test_a_column_that_is_computed_as_it_is_read_loses_no_character(
    mariadb_server: MariadbServer, mariadb_database: str, tmp_path: Path, read: str
) -> None:
    """MySQL computes it in the column's own character set."""
    month = "varchar(30) CHARACTER SET utf8mb4 GENERATED ALWAYS AS (CONCAT(MONTHNAME(purchased_at), id)) VIRTUAL"
    columns = {"purchased_at": "datetime(6) NOT NULL", "month": month}
    database = create_purchases(mariadb_database, columns=columns)
    database.execute("INSERT INTO purchases (id, user_id, purchased_at, amount) VALUES (7, 1, '2026-11-14 12:00', 1)")
    mariadb_server.execute("SET GLOBAL lc_time_names = 'ja_JP'")
    try:
        made = pipeline(mariadb_database, tmp_path, export={"read": read}, columns=["amount", "month"])
        (row,) = run_export(calm(made)).rows()
        assert row["month"] == "11月7"
    finally:
        mariadb_server.execute("SET GLOBAL lc_time_names = 'en_US'")
