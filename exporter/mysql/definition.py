"""Notices that a MySQL or MariaDB table was altered.

Or emptied, or swapped: by what its catalogue says. InnoDB's numbers of a table and its partitions are the best sign:
TRUNCATE and a swap of names give other ones, a new index or partition leaves them. Where some of them stay, a partition
was dropped or split, which only makes the read start over. They take the PROCESS right. Without it the time of creation
has to be enough. It has whole seconds, an index changes it, too, and TRUNCATE does not (on MariaDB), so it also only
makes the read start over. What is overlooked then still can't become a wrong export: the seal compares the rows
themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.mysql.catalogue import is_table, schema_of
from exporter.port.sliced_source import changed
from exporter.port.source import TableName
from staging.errors import InputError

Run = Callable[[str, str], Sequence[tuple[Any, ...]]]

_DOING = "look up the table's definition"
_COUNTER = re.compile(r" AUTO_INCREMENT=(\d+)")
_PLAIN_NAME = re.compile(r"[a-z0-9_]+", re.IGNORECASE)
"""InnoDB spells other names in a code of its own."""


@dataclass(frozen=True, slots=True)
class Definition:
    """What a table is to the catalogue.

    Its columns; InnoDB's numbers, empty where they may not be seen; the time of creation; the AUTO_INCREMENT.
    """

    columns: tuple[object, ...]
    numbers: frozenset[object]
    created: object
    counter: int


def begin_snapshot(run: Run, *tables_sql: str, dialect: str, between: Callable[[], object] = lambda: None) -> None:
    """Begin a snapshot in which the tables' definitions are held.

    On MariaDB the snapshot comes first, as it has a place in the log; a table that was altered before it is held is
    error 1412. MySQL loses that error over partitions: where one was rewritten meanwhile, a statement over several may
    return what it had found so far (9.7.4, by a bare COUNT, by SUM and by rows). So there the table is held first, by a
    statement that reads no row, and the first one that does begins the snapshot:
    https://dev.mysql.com/doc/refman/8.0/en/innodb-consistent-read.html. `between` is done before the table is held.
    """
    with_snapshot = "WITH CONSISTENT SNAPSHOT, " if dialect == "mariadb" else ""
    run(f"START TRANSACTION {with_snapshot}READ ONLY", "begin a snapshot")
    between()
    for table_sql in tables_sql:
        run(f"SELECT 1 FROM {table_sql} LIMIT 0", "hold the table's definition")  # noqa: S608 - quoted


def find_definition(run: Run, table: TableName, table_sql: str, *, dialect: str) -> Definition:
    """Look the table up as it is now.

    InputError where it is gone.
    """
    ((_, text, *_),) = run(f"SHOW CREATE TABLE {table_sql}", _DOING)
    counter = _COUNTER.search(text)
    is_ours = is_table(table)
    columns = run(
        "SELECT column_name, column_type, collation_name, is_nullable, extra, generation_expression "  # noqa: S608 - quoted
        f"FROM information_schema.columns WHERE {is_ours} ORDER BY ordinal_position",
        _DOING,
    )
    ((created,),) = run(f"SELECT MIN(create_time) FROM information_schema.tables WHERE {is_ours}", _DOING)  # noqa: S608 - quoted
    return Definition(tuple(columns), _innodb_numbers(run, table, dialect), created, int(counter[1]) if counter else 0)


def _innodb_numbers(run: Run, table: TableName, dialect: str) -> frozenset[object]:
    """Return InnoDB's numbers of the table or its partitions, none where the user may not see them."""
    ((schema,),) = run(f"SELECT {schema_of(table)}", _DOING)
    if not (_PLAIN_NAME.fullmatch(schema) and _PLAIN_NAME.fullmatch(table.table)):
        return frozenset()
    view = "INNODB_SYS_TABLES" if dialect == "mariadb" else "INNODB_TABLES"
    name = f"{schema}/{table.table}"
    parts = name.replace("_", r"\_") + "#p#%"
    try:
        return frozenset(
            row[0]
            for row in run(
                f"SELECT table_id FROM information_schema.{view} "  # noqa: S608 - plain names
                f"WHERE name = '{name}' OR name LIKE '{parts}'",
                _DOING,
            )
        )
    except InputError:  # the right is missing
        return frozenset()


def check_definition(before: Definition, after: Definition, table: TableName) -> str:
    """Return what was touched that may have changed the table.

    Its name may have meant another table for a while; "" if nothing was touched. IntegrityError where the table is
    another one now.
    """
    left = iter(after.columns)
    if not all(column in left for column in before.columns):
        raise changed(table, "its columns are others now")
    gone = before.numbers - after.numbers
    if gone and gone == before.numbers:
        raise changed(table, "it was emptied, rewritten or swapped (TRUNCATE, ALTER, RENAME)")
    if before.counter > after.counter:
        raise changed(table, "its AUTO_INCREMENT was set back, as TRUNCATE does, or it was swapped (RENAME)")
    if gone:
        # Most likely it held a day that nobody reads now; if it held one of ours, the next read notices.
        return f"{len(gone)} of its {len(before.numbers)} partitions were dropped, emptied or rewritten"
    if len(before.columns) < len(after.columns):  # beside those that were read, and without a copy of the table
        return "a column was added to it"
    is_touched = not before.numbers and before.created != after.created
    return "its time of creation is another one now" if is_touched else ""
