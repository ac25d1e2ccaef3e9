"""What the database counts.

Rows and exact sums, of a day or of the temporary table.
"""

from __future__ import annotations

from datetime import date

from loader.target.content import Content, DayCount, is_same_number
from loader.target.database import Database
from loader.target.ledger import LedgerRow
from loader.target.preflight import Target


def count_rows(database: Database, table: str, target: Target, content: Content, where: str = "") -> DayCount:
    """Return rows and totals of a table with the target's columns.

    `where` may end in a locking clause.
    """
    columns = [target.columns[name].name for name in content.totals]
    ((rows, *sums),) = database.query(database.sql.count_and_sums(table, columns, where))
    return DayCount(int(rows), dict(zip(content.totals, map(str, sums), strict=True)))


def count_day(database: Database, target: Target, day: date, content: Content, *, lock: bool = False) -> DayCount:
    """Return rows and totals of a day in the target.

    `lock`: by a locking read, where the database has it.
    """
    where = database.sql.of_day(day) + (database.sql.proof_lock if lock else "")
    return count_rows(database, database.sql.of(target.table), target, content, where)


def describe_edits(found: LedgerRow, counted: DayCount) -> str:
    """Return how the day differs from the ledger, or nothing."""
    edits = [f"{counted.rows} rows instead of {found.loaded_rows}"] if counted.rows != found.loaded_rows else []
    edits += [
        f"{name} adds up to {total} instead of {found.totals[name]}"
        for name, total in counted.totals.items()
        if name in found.totals and not is_same_number(total, found.totals[name])
    ]
    return "; ".join(edits)
