"""Which table can be the ledger, without a database."""

from __future__ import annotations

from dataclasses import replace

import pytest

from loader.sqlite.sql import SqliteSql
from loader.target.ledger import check_ledger, create_ledger_statement
from loader.target.table import Column, Kind, Table
from staging.errors import InputError
from staging.window import Span

NAMES = (
    *("target_schema", "target_table", "day", "pipeline", "head_id", "fence", "run_id", "export_id", "as_of"),
    *("window_start", "window_end", "loaded_rows", "totals", "digest", "loaded_at"),
)


def ledger(*, without: str = "", key: tuple[str, ...] = ("target_schema", "target_table", "day")) -> Table:
    columns = [
        Column(name=name, declared="TEXT", accepts=frozenset(Kind), nullable=False, has_default=False, generated=False)
        for name in NAMES
        if name != without
    ]
    return Table(schema="books", name="ledger", columns=tuple(columns), unique_keys=(frozenset(key),))


def told(table: Table | None, span: Span = "day") -> str:
    with pytest.raises(InputError) as caught:
        check_ledger(table, "books.ledger", span)
    return str(caught.value)


def test_a_whole_ledger_is_taken() -> None:
    assert check_ledger(ledger(), "books.ledger") == ledger()


@pytest.mark.parametrize("name", NAMES)
def test_a_ledger_without_one_of_its_columns_is_refused_by_its_name(name: str) -> None:
    assert f"it lacks {name}\n" in told(ledger(without=name))


def test_a_ledger_without_its_key_is_refused() -> None:
    assert "it lacks the primary key target_schema, target_table, day" in told(ledger(key=("target_table", "day")))


def test_a_ledger_that_can_not_be_written_says_why() -> None:
    assert "it is a view" in told(replace(ledger(), fault="it is a view"))


def test_no_ledger_is_told_with_what_makes_one() -> None:
    assert "There is no ledger books.ledger" in told(None)


def test_a_ledger_of_days_is_none_of_hours() -> None:
    assert "it lacks hour" in told(ledger(), "hour")


def test_a_ledger_is_created_in_the_schema_that_is_named() -> None:
    assert create_ledger_statement(SqliteSql(), "books", "ledger").startswith('CREATE TABLE "books"."ledger" (')
    assert create_ledger_statement(SqliteSql(), None, "ledger").startswith('CREATE TABLE "ledger" (')
