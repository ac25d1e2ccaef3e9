"""Rows of the drivers in polars, without pyarrow."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import adbc_driver_sqlite
import pytest

from exporter.port.adbc import DRIVER_ERRORS, AdbcSession, AdbcStatement, StreamError

_ROWS = 2_500
_OVERFLOWS = "abs(-9223372036854775808)"


@pytest.fixture
def statement(tmp_path: Path) -> Iterator[AdbcStatement]:
    """A statement over a file with the table `numbers` of 2,500 rows, in batches of a thousand."""
    with sqlite3.connect(tmp_path / "rows.sqlite") as made:
        made.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, spelled TEXT)")
        made.executemany("INSERT INTO numbers VALUES (?, ?)", ((n, f"number {n}") for n in range(_ROWS)))
    made.close()
    session = AdbcSession(adbc_driver_sqlite.connect(str(tmp_path / "rows.sqlite")))
    yield session.statement({"adbc.sqlite.query.batch_rows": "1000"})
    session.close()


def test_rows_come_in_batches_and_keep_their_order(statement: AdbcStatement) -> None:
    batches = list(statement.stream("SELECT n, spelled FROM numbers ORDER BY n"))
    assert [batch.height for batch in batches] == [1000, 1000, 500]
    assert [row for batch in batches for row in batch.rows()] == [(n, f"number {n}") for n in range(_ROWS)]
    assert batches[0].columns == ["n", "spelled"]


def test_rows_outlive_their_statement_and_session(statement: AdbcStatement) -> None:
    batches = list(statement.stream("SELECT n, spelled FROM numbers"))
    statement.close()
    assert sum(batch["n"].sum() for batch in batches) == _ROWS * (_ROWS - 1) // 2
    assert batches[-1]["spelled"].to_list()[-1] == f"number {_ROWS - 1}"


def test_a_name_may_be_given_twice(statement: AdbcStatement) -> None:
    fetched = statement.fetch("SELECT 1 AS n, 'one' AS n, NULL AS n UNION ALL SELECT 2, 'two', NULL")
    assert fetched.rows() == [(1, "one", None), (2, "two", None)]
    assert fetched.columns == ["0", "1", "2"]


def test_no_rows_have_columns(statement: AdbcStatement) -> None:
    assert statement.fetch("SELECT n, spelled FROM numbers WHERE n < 0").shape == (0, 2)


def test_an_error_between_two_batches_is_the_drivers_sentence(statement: AdbcStatement) -> None:
    read = statement.stream(f"SELECT n FROM numbers WHERE n < 1500 UNION ALL SELECT {_OVERFLOWS}")
    assert next(read).height == 1000
    with pytest.raises(StreamError, match="integer overflow"):
        list(read)


def test_a_statement_goes_on_after_an_error(statement: AdbcStatement) -> None:
    with pytest.raises(DRIVER_ERRORS, match="no such column"):
        statement.fetch("SELECT nothing_like_it FROM numbers")
    assert statement.fetch("SELECT count(*) FROM numbers").item() == _ROWS


def test_a_result_that_nobody_reads_on_is_let_go(statement: AdbcStatement) -> None:
    first = next(statement.stream("SELECT n FROM numbers ORDER BY n"))
    assert statement.fetch("SELECT max(n) FROM numbers").item() == _ROWS - 1
    assert first["n"].to_list() == list(range(1000))


@pytest.mark.integration
@pytest.mark.parametrize("room", ["postgres", "sqlite", "mysql"])
def test_a_reader_of_a_database_imports_neither_pyarrow_nor_numpy(room: str) -> None:
    code = f"import exporter.export_day, exporter.{room}.source, sys; print(*sys.modules)"
    imported = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"pyarrow", "numpy", "pandas"} & set(imported)
    assert "polars" in imported
