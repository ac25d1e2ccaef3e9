"""Tells by row versions whether a window has an export's rows.

PostgreSQL never writes into a row: each INSERT and UPDATE makes a new version, which says which transaction made it
(`xmin`), and a DELETE takes one away for good. So if no version is seen now that was made after the export's snapshot,
then each version seen now was there already, and was seen by the export: only a deletion hides one, and none is ever
undone. What is seen now is part of what was exported; if the count is the same, it is all of it. No checksum is needed,
and no row is fetched. Older versions look the same at any time, so the pieces of the window need no common instant: a
row that moves between two of them is a new version, or is missing.

After the snapshot means: by a transaction that had not begun (`xmax` of the snapshot and later). For one that ran at
that moment nobody can tell, as a version may name a subtransaction, which no snapshot lists: such rows, if any, make
the answer unsure.

This holds for the same cluster (its own number, its timeline, on which no number of a transaction is used twice), the
same table and its partitions as they were attached then, columns that mean what they meant (the catalogue's rows have
versions, too), a session that sees all rows, a condition that reads nothing but its row, and as long as less than 2^31
transactions have passed, since `age()` counts no further back. A dump that was restored and an upgrade make another
cluster or table. VACUUM FULL and CLUSTER move versions and keep what they say. Source: PostgreSQL manual, 13.2 and 5.5
(system columns), `pg_current_snapshot`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from exporter.port.catalogue import Catalogue
from exporter.port.same_rows import Telling, Verdict
from exporter.port.source import SourceColumn, Statement
from exporter.postgres.row_condition import row_columns
from exporter.postgres.row_version import is_not_old_sql
from staging.documents.manifest import Source as StoredSource
from staging.errors import InputError

SNAPSHOT = "snapshot"
_TABLE_ID = "table_oid"
_TIMELINE = "timeline"
_HOW = "row versions, count"

_NUMBERS = 2**32
_OLDEST = 2**31 - 2_000_000
_FIRST_NUMBER = 3  # below it are numbers that mean no transaction

_TABLE_SQL = """
SELECT (SELECT oid FROM pg_database WHERE datname = current_database())::text || '/' || to_regclass(%s)::oid::text
"""
_IN_RECOVERY_SQL = "SELECT pg_is_in_recovery()"
_TIMELINE_SQL = "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
_REPLICA_TIMELINE_SQL = """
SELECT upper(lpad(to_hex(greatest(c.timeline_id, r.min_recovery_end_timeline,
                                  (SELECT max(received_tli) FROM pg_stat_wal_receiver))), 8, '0'))
FROM pg_control_checkpoint() c, pg_control_recovery() r
"""
_NEXT_SQL = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text"
_ATTACHED_SQL = """
WITH RECURSIVE tree AS (
    SELECT to_regclass(%s)::oid AS oid, false AS is_new
    UNION
    SELECT i.inhrelid, tree.is_new OR age(i.xmin) BETWEEN 1 AND age('{low}'::xid)
    FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT oid::bigint FROM tree WHERE is_new
"""
# A virtual column is computed when it is read, by the functions as they are then.
_ALTERED_SQL = """
WITH used AS (
    SELECT xmin, atttypid, attgenerated FROM pg_attribute WHERE attrelid = to_regclass(%s) AND attname = ANY(%s)
)
SELECT count(*) FROM (
    SELECT xmin, attgenerated = 'v' AS is_virtual FROM used
    UNION ALL SELECT t.xmin, false FROM pg_type t JOIN used ON used.atttypid = t.oid
    UNION ALL SELECT e.xmin, false FROM pg_enum e JOIN used ON used.atttypid = e.enumtypid
) AS entries WHERE is_virtual OR age(xmin) BETWEEN 1 AND age('{low}'::xid)
"""


@dataclass(frozen=True, slots=True)
class _Taken:
    """An export's snapshot: transactions below `low` had ended, from `high` on none had begun."""

    low: int
    high: int

    def low_sql(self) -> str:
        return str(max(self.low % _NUMBERS, _FIRST_NUMBER))

    def high_sql(self) -> str:
        return str(max(self.high % _NUMBERS, _FIRST_NUMBER))


def describe_versions(catalogue: Catalogue, table_sql: str) -> dict[str, str]:
    """Return what makes an export's row versions comparable later.

    Nothing where this user may not see it. Only for tables that a seal could prove (`why_no_seal`).
    """
    try:
        ((table,),) = catalogue.rows(_TABLE_SQL, table_sql)
        timeline = _find_timeline(catalogue)
    except InputError:
        return {}
    return {_TABLE_ID: str(table), _TIMELINE: timeline} if table and timeline else {}


def plan_telling(
    catalogue: Catalogue,
    table_sql: str,
    *,
    statement: Statement,
    columns: Sequence[SourceColumn],
    described: Mapping[str, SourceColumn],
    stored: StoredSource,
    identity: str,
) -> Telling | str:
    """Return what to ask of the window, or why versions can't tell.

    `described` are all columns of the table, `columns` those of the statement.
    """
    taken = _read_snapshot(stored.evidence.get(SNAPSHOT, ""))
    if taken is None or _TABLE_ID not in stored.evidence:
        return "the export does not say which row versions it saw: it is an old one, or could not see them"
    if stored.server_identity != identity or not re.fullmatch(r"[0-9]+/.*", identity, re.DOTALL):
        return "it was read from another server, or which one it is may not be seen"
    if why := _why_another_place(catalogue, table_sql, stored.evidence) or _why_another_time(catalogue, taken):
        return why
    by_row = row_columns(statement.where, described)
    used = sorted({column.name for column in columns} | (by_row or frozenset()))
    ((altered,),) = catalogue.rows(_ALTERED_SQL.format(low=taken.low_sql()), table_sql, used)
    if altered:
        return "its columns were altered since, or are computed when they are read"
    attached = [int(oid) for (oid,) in catalogue.rows(_ATTACHED_SQL.format(low=taken.low_sql()), table_sql)]
    if by_row is None:
        return Telling(_HOW, _select(taken, attached), _judge_unless_where)
    quick = "" if attached else f"count(*) FILTER (WHERE {is_not_old_sql(taken.low_sql())})"
    return Telling(_HOW, _select(taken, attached), _judge, quick)


def _why_another_place(catalogue: Catalogue, table_sql: str, evidence: Mapping[str, str]) -> str:
    """Return why it is not the cluster's line of changes or the table that was read, "" where it is."""
    now = describe_versions(catalogue, table_sql)
    if now.get(_TIMELINE) != evidence[_TIMELINE]:
        return "the server is on another timeline since: a replica was promoted, or a backup restored"
    if now.get(_TABLE_ID) != evidence[_TABLE_ID]:
        return "it is another table of that name now, as after a dump was restored"
    return ""


def _why_another_time(catalogue: Catalogue, taken: _Taken) -> str:
    """Return why numbers of transactions can't be compared with those of the snapshot, "" where they can."""
    ((next_number,),) = catalogue.rows(_NEXT_SQL)
    if int(next_number) < taken.high:
        return "the server was set back to a state of before the export"
    if int(next_number) - taken.low > _OLDEST:
        return "the export is more than two billion transactions old"
    return ""


def _find_timeline(catalogue: Catalogue) -> str:
    ((is_replica,),) = catalogue.rows(_IN_RECOVERY_SQL)
    ((timeline,),) = catalogue.rows(_REPLICA_TIMELINE_SQL if is_replica else _TIMELINE_SQL)
    return str(timeline or "")


def _read_snapshot(text: str) -> _Taken | None:
    """Read `xmin:xmax:…`, numbers of 64 bits."""
    match = re.match(r"([0-9]+):([0-9]+):", text)
    return _Taken(int(match[1]), int(match[2])) if match else None


def _select(taken: _Taken, attached: Sequence[int]) -> tuple[str, str]:
    """Return the SQL of how many rows are new for certain, and of how many may be."""
    # In scalar subqueries, so that they are computed once and not for each row.
    high, low = (f"(SELECT age('{number}'::xid))" for number in (taken.high_sql(), taken.low_sql()))
    is_new = f"age(xmin) BETWEEN 1 AND {high}"
    if attached:
        is_new = f"({is_new} OR tableoid IN ({', '.join(map(str, attached))}))"
    may_be = f"count(*) FILTER (WHERE age(xmin) > greatest({high}, 0) AND age(xmin) <= {low})"
    return f"count(*) FILTER (WHERE {is_new})", "0" if taken.low == taken.high else may_be


def _judge(found: Sequence[int]) -> Verdict:
    new, may_be_new = found
    if new:
        return Verdict("changed", f"{new:,} of its rows were written after the export")
    if may_be_new:
        return Verdict("not sure", f"{may_be_new:,} of its rows were written while the export was made")
    return Verdict("equal")


def _judge_unless_where(found: Sequence[int]) -> Verdict:
    verdict = _judge(found)
    if verdict.sameness != "equal":
        return verdict
    return Verdict("not sure", "source.where may ask more than the row itself, so other rows may be chosen now")
