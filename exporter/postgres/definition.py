"""What a table is to PostgreSQL's catalogue, so that one that was altered, emptied or swapped is noticed.

`xmin` of a row of pg_class says which transaction wrote it: a table that was renamed away and back has all its old
names and numbers, but not that one. VACUUM, ANALYZE and new indexes write in place and leave it as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from exporter.port.catalogue import Catalogue
from exporter.port.sliced_source import changed
from exporter.port.source import TableName

_SQL = """
WITH RECURSIVE tree AS (
    SELECT to_regclass(%s)::oid AS oid, true AS is_root
    UNION
    SELECT i.inhrelid, false FROM pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT tree.is_root, c.oid::bigint, c.relkind::text, coalesce(am.amname, ''),
       coalesce(pg_relation_filenode(c.oid), 0)::bigint, row_security_active(c.oid),
       concat_ws(' ', c.xmin, n.xmin, c.relnamespace, c.relname),
       (SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped,
                                    (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                                     FROM pg_enum e WHERE e.enumtypid = a.atttypid)), ';' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)
FROM tree
JOIN pg_class c ON c.oid = tree.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam
"""
_HAVE_VERSIONS = ("r", "p", "m")  # tables, partitioned tables, materialized views
_KINDS = {"v": "a view", "f": "a foreign table", "S": "a sequence", "c": "a composite type", "t": "a TOAST table"}


@dataclass(frozen=True, slots=True)
class Relation:
    """One table of a tree of partitions or heirs: which file it lies in (0: none), what its columns are."""

    kind: str
    access_method: str
    filenode: int
    is_row_secured: bool
    version: str
    columns: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A table with all its partitions and heirs, by oid. `root` is None where the name means no table."""

    root: int | None
    relations: Mapping[int, Relation]


def find_definition(catalogue: Catalogue, table_sql: str) -> Definition:
    """Look the table up as it is now."""
    rows = catalogue.rows(_SQL, table_sql)
    root = next((oid for is_root, oid, *_ in rows if is_root), None)
    return Definition(
        root,
        {
            oid: Relation(kind, method, filenode, secured, version, columns or "")
            for _, oid, kind, method, filenode, secured, version, columns in rows
        },
    )


def why_no_seal(definition: Definition) -> str:
    """Return why rows of the table don't say which transaction wrote them, or not reliably; "" where they do."""
    if definition.root is None:
        return ""  # said better by who looks for its columns
    for oid, relation in definition.relations.items():
        what = "it is" if oid == definition.root else "a part of it is"
        if relation.kind not in _HAVE_VERSIONS:
            kind = _KINDS.get(relation.kind, "no table")
            return f"{what} {kind}, whose rows don't say which transaction wrote them"
        if relation.kind != "p" and relation.access_method != "heap":
            return f"{what} stored by {relation.access_method}, not by heap: its rows need not say who wrote them"
        if relation.is_row_secured:
            return "row-level security decides which rows are seen, which may change without any row changing"
    return ""


def check_definition(before: Definition, after: Definition, table: TableName) -> str:
    """Return what was touched that may have changed what the name means for a while ("" if nothing was).

    IntegrityError where the table is another one now.
    """
    changes: list[str] = []
    if before.root != after.root:
        changes.append("the name means another table now" if after.root else "it is gone")
    for oid in before.relations.keys() & after.relations.keys():
        old, new = before.relations[oid], after.relations[oid]
        if old.columns != new.columns:
            changes.append("its columns are others now")
        if old.filenode != new.filenode:
            changes.append("it was emptied or rewritten (TRUNCATE, ALTER, CLUSTER, VACUUM FULL)")
    if changes:
        raise changed(table, " and ".join(sorted(set(changes))))
    if before.relations.keys() != after.relations.keys():
        return "partitions came or went"
    touched = any(before.relations[oid].version != after.relations[oid].version for oid in before.relations)
    return "its entry in the catalogue was written" if touched else ""
