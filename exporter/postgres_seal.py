"""The seal of PostgreSQL: no row of the window was written since before the first slice, and none has gone.

Let S be the oldest transaction that was still running before the first slice (`pg_snapshot_xmin`). Every transaction
below S had ended by then: MVCC itself shows or hides rows by this. So whatever wrote or deleted a row during the read
has a number of S or above; also a transaction that had begun earlier and commits late, whose number is above S or S
itself, and a subtransaction's, which is above its parent's.

The seal statement takes one snapshot after the last slice and finds V, the rows of the window. If none of them has an
`xmin` of S or above, each row of V was committed before the first slice and is still there, so it was there all along,
and the one slice that covers its place has read it: V is a part of what was read. If V also has as many rows as were
read, V *is* what was read. An inserted, updated or moved row is a new version (`xmin`); a deleted one is missing in
the count; a lock (`FOR UPDATE`) writes only `xmax`.

Numbers of transactions wrap around, and a row that was frozen long ago keeps its number. `age(xmin)` counts back from
now, so a new row is one whose age lies between that of the seal's own horizon and that of S. A frozen row of 2^31
transactions ago can look like one by chance, which costs a false alarm and never a wrong export.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from exporter.sliced_source import Seal
from exporter.source import Statement

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

OLDEST_RUNNING_SQL = "SELECT pg_snapshot_xmin(pg_current_snapshot())::xid::text"


def seal_sql(statement: Statement, oldest_running: str) -> str:
    """Return the statement: rows, new rows, its instant in microseconds, the log's position."""
    # In scalar subqueries, so that they are computed once and not for each row.
    newest = "(SELECT age(pg_snapshot_xmax(pg_current_snapshot())::xid))"
    oldest = f"(SELECT age('{oldest_running}'::xid))"
    is_new = f"age(xmin) <= {oldest} AND age(xmin) > {newest}"
    return (
        f"SELECT count(*), count(*) FILTER (WHERE {is_new}), "  # noqa: S608 - quoted by the dialect
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint, "
        "CASE WHEN pg_is_in_recovery() THEN 'replay ' || pg_last_wal_replay_lsn()::text "
        "ELSE pg_current_wal_lsn()::text END "
        f"FROM {statement.table} WHERE {statement.condition()}"
    )


def judge_seal(row: tuple[object, ...], *, rows_read: int, touched: str, oldest_running: str, seconds: float) -> Seal:
    """Compare what `seal_sql` gave with what was read. `touched` is what speaks against it besides, "" if nothing."""
    rows, new_rows, micros, position = int(str(row[0])), int(str(row[1])), int(str(row[2])), str(row[3])
    found = f"{rows} rows, {new_rows} of them new"
    return Seal(
        agrees=rows == rows_read and new_rows == 0 and not touched,
        as_of=_EPOCH + timedelta(microseconds=micros),
        how="PostgreSQL: xmin of every row, count",
        found=f"{found}; {touched}" if touched else found,
        expected=f"{rows_read} rows, 0 of them new",
        rows_differ=max(abs(rows - rows_read), new_rows),
        seconds=seconds,
        evidence={"oldest_transaction_before": oldest_running, "lsn": position},
    )
