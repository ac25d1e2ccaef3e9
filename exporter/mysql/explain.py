"""Reads the plan of a statement on MySQL or MariaDB.

Access method, index, partitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from exporter.mysql.catalogue import is_table, text_literal
from exporter.port.explained import Explained, Fetch, WholeScan, expect_rows
from exporter.port.source import Statement, TableName
from staging.errors import InputError

_WHOLE = ("ALL", "index")


@dataclass(frozen=True, slots=True)
class Step:
    """A line of EXPLAIN: how a table is read.

    `rows` are those that the optimizer expects to look at.
    """

    table: str
    partitions: tuple[str, ...]
    method: str
    possible: frozenset[str]
    index: str
    rows: int


def explain_mysql(fetch: Fetch, name: TableName, statement: Statement, time: str, *, dialect: str) -> Explained:
    """Return the plan; `time` is the time column's name."""
    steps = explain_steps(fetch, statement.text(), dialect=dialect)
    usable = _indexes_on(fetch, name, time)
    partitions = _count_partitions(fetch, name)
    read = next((len(step.partitions) for step in steps if step.partitions), 0)
    return Explained(
        steps=tuple(_tell(step) for step in steps),
        rows=max((step.rows for step in steps), default=0),
        partitions=(read, partitions) if partitions else None,
        whole=tuple(
            WholeScan(
                step.table,
                step.rows,
                # A view has no indexes of its own: any index possible there is possible for the window.
                by_choice=bool(step.possible if usable is None else step.possible & usable),
            )
            for step in steps
            if step.method in _WHOLE and not step.table.startswith("<")
        ),
    )


def explain_steps(fetch: Fetch, select: str, *, dialect: str) -> Sequence[Step]:
    """Return the plan of a SELECT, line by line."""
    # MySQL shows partitions always and refuses the word, MariaDB needs it. What MySQL shows where no format is said
    # is a setting, and since 9.0 a tree of text:
    # https://dev.mysql.com/doc/refman/9.0/en/server-system-variables.html#sysvar_explain_format
    command = "EXPLAIN PARTITIONS" if dialect == "mariadb" else "EXPLAIN FORMAT=TRADITIONAL"
    return [_step(row) for row in _explain(fetch, f"{command} {select}") if row[2] is not None]


def _explain(fetch: Fetch, sql: str) -> Sequence[tuple[object, ...]]:
    try:
        return fetch(sql)
    except InputError as error:
        if "underlying table" not in error.why:  # ER_VIEW_NO_EXPLAIN, 1345
            raise
        raise InputError(
            "The view's plan can't be looked at.",
            why="MySQL and MariaDB explain a view only to who may read what it is made of.",
            fix="GRANT SELECT ON the tables of the view TO the account of source.url, and SHOW VIEW ON the view.",
        ) from error


def _step(row: tuple[object, ...]) -> Step:
    # The first ten columns are the same on MySQL and MariaDB.
    table, partitions, method, possible, index = (str(each or "") for each in row[2:7])
    return Step(
        table=table,
        partitions=tuple(partitions.split(",")) if partitions else (),
        method=method,
        possible=frozenset(possible.split(",")) - {""},
        index=index,
        rows=int(str(row[9] or 0)),
    )


def _indexes_on(fetch: Fetch, name: TableName, time: str) -> frozenset[str] | None:
    """Return the names of the indexes that begin with the time column; None for a view."""
    kinds = fetch(f"SELECT table_type FROM information_schema.tables WHERE {is_table(name)}")  # noqa: S608 - quoted
    if not kinds or "VIEW" in str(kinds[0][0]):
        return None
    rows = fetch(
        f"SELECT index_name FROM information_schema.statistics WHERE {is_table(name)} "  # noqa: S608 - quoted
        f"AND seq_in_index = 1 AND column_name = {text_literal(time)}"
    )
    return frozenset(str(row[0]) for row in rows)


def _count_partitions(fetch: Fetch, name: TableName) -> int:
    rows = fetch(
        f"SELECT COUNT(*) FROM information_schema.partitions WHERE {is_table(name)} AND partition_name IS NOT NULL"  # noqa: S608 - quoted
    )
    return int(str(rows[0][0]))


def _tell(step: Step) -> str:
    index = f" using {step.index}" if step.index else ""
    partitions = f", partitions {', '.join(step.partitions[:3])}" if step.partitions else ""
    more = f" and {len(step.partitions) - 3} more" if len(step.partitions) > 3 else ""  # noqa: PLR2004 - as many are shown
    return f"{step.method} on {step.table}{index}{partitions}{more}, {expect_rows(step.rows)}"
