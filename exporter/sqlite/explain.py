"""SQLite's plan of a statement.

It says which index it takes, and nothing about numbers of rows.
"""

from __future__ import annotations

import re

from exporter.port.explained import Explained, Fetch, WholeScan, sql_text
from exporter.port.source import Statement, TableName

_COUNTED_ROWS = 1_000_000
_SCAN = re.compile(r"SCAN (?:TABLE )?(?P<table>.+?)(?: USING .*)?")


def explain_sqlite(fetch: Fetch, name: TableName, statement: Statement, time: str) -> Explained:
    """Return the plan; `time` is the time column's name."""
    steps = [str(row[3]) for row in fetch(f"EXPLAIN QUERY PLAN {statement.text()}")]
    scanned = [match["table"] for step in steps if (match := _SCAN.fullmatch(step)) and "CONSTANT ROW" not in step]
    by_choice = bool(scanned) and _is_indexed(fetch, name, time)
    rows = _count_some(fetch, statement) if scanned and not by_choice else 0
    return Explained(steps=tuple(steps), whole=tuple(WholeScan(table, rows, by_choice=by_choice) for table in scanned))


def _is_indexed(fetch: Fetch, name: TableName, time: str) -> bool:
    schema = f", {sql_text(name.schema)}" if name.schema else ""
    return bool(
        fetch(
            f"SELECT 1 FROM pragma_index_list({sql_text(name.table)}{schema}) l, "  # noqa: S608 - quoted
            f"pragma_index_info(l.name{schema}) i "
            f"WHERE i.seqno = 0 AND NOT l.partial AND i.name = {sql_text(time)} LIMIT 1"
        )
    )


def _count_some(fetch: Fetch, statement: Statement) -> int:
    """Count rows up to a million: SQLite has no estimate, and the file is on this machine."""
    rows = fetch(f"SELECT count(*) FROM (SELECT 1 FROM {statement.table} LIMIT {_COUNTED_ROWS})")  # noqa: S608 - quoted
    return int(str(rows[0][0]))
