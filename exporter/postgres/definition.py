"""Notices that a PostgreSQL table was altered.

Or emptied, or swapped: by the versions in its catalogue. `xmin` of a row of the catalogue says which transaction wrote
it. What was changed and changed back, names, partitions, heirs, columns, types, rules, has all its old values, but not
that one. So it need not know what a change may do. VACUUM, ANALYZE and new indexes write in place and leave it as it
is.
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
),
types AS (  -- of all columns, and what domains are made of
    SELECT a.atttypid AS oid FROM pg_attribute a JOIN tree ON a.attrelid = tree.oid AND a.attnum > 0
    UNION
    SELECT t.typbasetype FROM pg_type t JOIN types ON t.oid = types.oid
)
SELECT tree.is_root, c.oid::bigint, c.relkind::text, coalesce(am.amname, ''),
       coalesce(pg_relation_filenode(c.oid), 0)::bigint, row_security_active(c.oid),
       has_any_column_privilege(c.oid, 'SELECT'),
       has_table_privilege(c.oid, 'SELECT') OR (has_column_privilege(c.oid, 'ctid', 'SELECT')
           AND has_column_privilege(c.oid, 'xmin', 'SELECT') AND has_column_privilege(c.oid, 'tableoid', 'SELECT')),
       concat_ws(' ', c.xmin, n.xmin, c.relnamespace, c.relname,
           (SELECT string_agg(concat_ws(' ', inhparent, xmin), ',' ORDER BY inhparent)
            FROM pg_inherits WHERE inhrelid = c.oid),
           (SELECT string_agg(xmin::text, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid),
           (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_attrdef WHERE adrelid = c.oid),
           (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_policy WHERE polrelid = c.oid),
           (SELECT string_agg(concat_ws(' ', oid, xmin), ',' ORDER BY oid) FROM pg_rewrite WHERE ev_class = c.oid),
           (SELECT xmin FROM pg_partitioned_table WHERE partrelid = c.oid)),
       (SELECT string_agg(concat_ws(' ', a.attnum, a.attname, a.atttypid, a.atttypmod, a.attisdropped,
                                    (SELECT string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder)
                                     FROM pg_enum e WHERE e.enumtypid = a.atttypid)), ';' ORDER BY a.attnum)
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0),
       (SELECT string_agg(concat_ws(' ', t.oid, t.xmin,
                                    (SELECT string_agg(concat_ws(' ', e.oid, e.xmin), ',' ORDER BY e.oid)
                                     FROM pg_enum e WHERE e.enumtypid = t.oid)), ';' ORDER BY t.oid)
        FROM types JOIN pg_type t ON t.oid = types.oid WHERE tree.is_root)
FROM tree
JOIN pg_class c ON c.oid = tree.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_am am ON am.oid = c.relam
"""
_HAVE_VERSIONS = ("r", "p")  # tables, partitioned tables
_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "c": "a composite type",
    "t": "a TOAST table",
}


@dataclass(frozen=True, slots=True)
class Relation:
    """One table of a tree of partitions or heirs.

    `filenode` is the file it lies in (0: none), `may_be_read` whether we may read any column, `shows_versions` whether
    we may ask which version a row is, `version` the versions of all that the catalogue has of it, `columns` what they
    are, `types` the versions of their types, for the root.
    """

    kind: str
    access_method: str
    filenode: int
    is_row_secured: bool
    may_be_read: bool
    shows_versions: bool
    version: str
    columns: str
    types: str


@dataclass(frozen=True, slots=True)
class Definition:
    """A table with all its partitions and heirs, by oid.

    `root` is None where the name means no table.
    """

    root: int | None
    relations: Mapping[int, Relation]


def find_definition(catalogue: Catalogue, table_sql: str) -> Definition:
    """Look the table up as it is now."""
    rows = catalogue.rows(_SQL, table_sql)
    root = next((oid for is_root, oid, *_ in rows if is_root), None)
    return Definition(
        root,
        {
            oid: Relation(kind, method, filenode, secured, may_read, may_see, version, columns or "", types or "")
            for _, oid, kind, method, filenode, secured, may_read, may_see, version, columns, types in rows
        },
    )


def why_no_seal(definition: Definition) -> str:
    """Return why the table's row versions can't be sealed.

    Its rows don't say which transaction wrote them, or not reliably; "" where they do.
    """
    if definition.root is None:
        return ""  # the look at its columns reports it better
    for oid, relation in definition.relations.items():
        what = "it is" if oid == definition.root else "a part of it is"
        if relation.kind not in _HAVE_VERSIONS:
            kind = _KINDS.get(relation.kind, "no table")
            return f"{what} {kind}, whose rows don't say which transaction wrote them"
        if relation.kind != "p" and relation.access_method != "heap":
            return f"{what} stored by {relation.access_method}, not by heap: its rows need not say who wrote them"
        if relation.is_row_secured:
            return "row-level security decides which rows are seen, which may change without any row changing"
    root = definition.relations[definition.root]
    if root.may_be_read and not root.shows_versions:  # the server says it better where nothing may be read
        return (
            "the user of source.url may see some of its columns only, and not which version a row is "
            "(GRANT SELECT ON the whole table, or also on its columns ctid, xmin and tableoid)"
        )
    return ""


def check_definition(before: Definition, after: Definition, table: TableName) -> str:
    """Return what was touched that may have changed the table.

    Its name may have meant another table for a while; "" if nothing was touched. IntegrityError where the table is
    another one now.
    """
    changes: list[str] = []
    if before.root != after.root:
        changes.append("the name means another table now" if after.root else "it is gone")
    for oid in before.relations.keys() & after.relations.keys():
        old, new = before.relations[oid], after.relations[oid]
        if old.columns != new.columns and not new.columns.startswith(f"{old.columns};"):  # none was added, or not only
            changes.append("its columns are others now")
        if old.filenode != new.filenode:
            changes.append("it was emptied or rewritten (TRUNCATE, ALTER, CLUSTER, VACUUM FULL)")
    if changes:
        raise changed(table, " and ".join(sorted(set(changes))))
    if before.relations.keys() != after.relations.keys():
        return "partitions came or went"
    return "its entry in the catalogue was written" if before != after else ""
