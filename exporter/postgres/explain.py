"""Reads PostgreSQL's plan of a statement.

Which tables and partitions it reads from end to end, and whether it has to. The planner itself says whether an index
could be used, by a second EXPLAIN that makes sequential scans very expensive: that knows partial indexes, indexes of
expressions and what lies behind a view.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exporter.port.explained import Explained, Fetch, WholeScan, expect_rows, sql_text
from exporter.port.source import Statement

_PAGE_BYTES = 8192
_ROWS_PER_PAGE = 60  # of a table that was never analyzed: rows of some 130 bytes

_SIZES = """
SELECT n.nspname, c.relname, c.reltuples::float8, c.relpages, pg_relation_size(c.oid), root.relname AS root,
       (SELECT count(*) FROM pg_partition_tree(root.oid) t WHERE t.isleaf)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_class root ON root.oid = pg_partition_root(c.oid)
WHERE (n.nspname, c.relname) IN ({names})
"""

_LEADS = """
SELECT n.nspname, c.relname, pg_get_indexdef(c.oid, 1, true)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND (n.nspname, c.relname) IN ({names})
"""


@dataclass(frozen=True, slots=True)
class _Relation:
    """A table of a plan. `root` is the partitioned table it is a partition of, "" for none; `leaves` are all of its."""

    rows: int
    root: str
    leaves: int


Name = tuple[str, str]
Node = dict[str, Any]


def explain_postgres(fetch: Fetch, statement: Statement, time: str) -> Explained:
    """Return the plan; `time` is the time column's name."""
    plan, nodes = _plan(fetch, statement)
    relations = _look_up(fetch, {name for node in nodes if (name := _relation(node))})
    found = _found_by_index(fetch, nodes)
    scanned = {name for node in nodes if (name := _relation(node)) and _is_scan(node) and id(node) not in found}
    choices = _reached_by_index(fetch, statement, time) if scanned else set()
    return Explained(
        steps=tuple(_tell(node) for node in nodes if "Relation Name" in node),
        rows=int(plan["Plan Rows"]),
        row_bytes=int(plan["Plan Width"]),
        partitions=_partitions(relations),
        whole=tuple(_scans(scanned, choices, relations)),
    )


def _partitions(relations: Mapping[Name, _Relation]) -> tuple[int, int] | None:
    parts = [relation for relation in relations.values() if relation.root]
    return (len(parts), parts[0].leaves) if parts else None


def _scans(scanned: set[Name], choices: set[Name], relations: Mapping[Name, _Relation]) -> Iterator[WholeScan]:
    """Yield one scan a table: the partitions of one are one."""
    by_table: dict[tuple[str, bool], list[Name]] = {}
    for name in sorted(scanned & relations.keys()):
        root = relations[name].root
        by_table.setdefault((root or name[1], bool(root)), []).append(name)
    for (table, has_parts), names in by_table.items():
        rows = sum(relations[name].rows for name in names)
        yield WholeScan(table, rows, by_choice=choices.issuperset(names), parts=has_parts)


def _plan(fetch: Fetch, statement: Statement) -> tuple[Node, list[Node]]:
    """Return the plan and all its nodes."""
    ((told,),) = fetch(f"EXPLAIN (FORMAT JSON, VERBOSE) {statement.text()}")
    parsed: Any = json.loads(told) if isinstance(told, str) else told  # psycopg parses it
    plan: Node = parsed[0]["Plan"]
    return plan, list(_nodes(plan, ""))


def _nodes(plan: Node, schema: str) -> Iterator[Node]:
    # A bitmap's index lies in the schema of the table above it.
    plan["Schema"] = plan.get("Schema", schema)
    yield plan
    for inner in plan.get("Plans", ()):
        yield from _nodes(inner, plan["Schema"])


def _reached_by_index(fetch: Fetch, statement: Statement, time: str) -> set[Name]:
    """Return the tables in which an index would find the window's rows, if reading everything were not cheaper."""
    ((before,),) = fetch("SELECT current_setting('enable_seqscan')")
    fetch("SELECT set_config('enable_seqscan', 'off', false)")
    _, nodes = _plan(fetch, statement)
    fetch(f"SELECT set_config('enable_seqscan', {sql_text(str(before))}, false)")
    kind = fetch(f"SELECT relkind::text FROM pg_class WHERE oid = to_regclass({sql_text(statement.table)})")  # noqa: S608 - quoted
    # Behind a view the column may have another name: there any condition on an index counts as the window's.
    on_time = _word("" if kind == [("v",)] else time)
    found = _found_by_index(fetch, nodes)
    return {
        name for node in nodes if (name := _relation(node)) and any(on_time.search(c) for c in found.get(id(node), ()))
    }


def _found_by_index(fetch: Fetch, nodes: Sequence[Node]) -> dict[int, list[str]]:
    """Return the conditions by which nodes find rows in an index. One without a B-tree's first column goes through all
    of it, and does not count.
    """  # noqa: D205 - one sentence and its exception
    names = {(node["Schema"], str(node["Index Name"])) for node in nodes if "Index Name" in node}
    if not names:
        return {}
    leads = {(str(s), str(index)): str(lead) for s, index, lead in fetch(_LEADS.format(names=_listed(names)))}
    found: dict[int, list[str]] = {}
    for node in nodes:
        for each in _nodes(node, node["Schema"]):
            condition = str(each.get("Index Cond", ""))
            lead = leads.get((each["Schema"], str(each.get("Index Name"))), "")
            if condition and _word(lead.strip('"')).search(condition):
                found.setdefault(id(node), []).append(condition)
    return found


def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<!\w){re.escape(name.replace(chr(34), chr(34) * 2))}(?!\w)" if name else "")


def _relation(node: Node) -> Name | None:
    return (node["Schema"], str(node["Relation Name"])) if "Relation Name" in node else None


def _is_scan(node: Node) -> bool:
    return node["Node Type"] in ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")


def _look_up(fetch: Fetch, names: set[Name]) -> dict[Name, _Relation]:
    if not names:
        return {}
    found = {}
    for schema, table, tuples, pages, size_bytes, root, leaves in fetch(_SIZES.format(names=_listed(names))):
        pages_now = int(str(size_bytes)) / _PAGE_BYTES
        known = float(str(tuples)) >= 0 and int(str(pages)) > 0
        rows = pages_now * (float(str(tuples)) / int(str(pages)) if known else _ROWS_PER_PAGE)
        found[str(schema), str(table)] = _Relation(round(rows), str(root or ""), int(str(leaves)))
    return found


def _listed(names: set[Name]) -> str:
    return ", ".join(f"({sql_text(schema)}, {sql_text(name)})" for schema, name in sorted(names))


def _tell(node: Node) -> str:
    relation = f" on {node['Relation Name']}" if "Relation Name" in node else ""
    index = f" using {node['Index Name']}" if "Index Name" in node else ""
    return f"{node['Node Type']}{index}{relation}, {expect_rows(node['Plan Rows'])}"
