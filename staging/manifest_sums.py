"""What a manifest says of its tables, and of sums over them."""

from __future__ import annotations

from collections.abc import Mapping

from staging.columns.types import types_of
from staging.config.with_table import leading_name
from staging.conserved_sum import ConservedSum, read_sum
from staging.control_sums import format_minor_units, parse_money
from staging.documents.manifest import Manifest, TableExport


def read_manifest_sum(manifest: Manifest, source: str) -> ConservedSum:
    """Return the declared sum; ValueError where the export can't have it."""
    tables = {table.name: types_of(table.columns) for table in manifest.tables}
    name = leading_name(manifest.source.table)
    return read_sum(source, types_of(manifest.columns), tables, leading_name=name)


def view_table(manifest: Manifest, table: TableExport) -> Manifest:
    """Return the export of another table as if it led.

    For code that compares exports one table at a time. The server's evidence is that of this table.
    """
    source = manifest.source.model_copy(
        update={
            "table": table.table,
            "key": table.key,
            "time": table.time or "",
            "where": table.where,
            "statement": table.statement,
            "table_columns": table.table_columns,
            "evidence": table.evidence,
        }
    )
    return manifest.model_copy(
        update={
            "source": source,
            "columns": table.columns,
            "schema_fingerprint": table.schema_fingerprint,
            "shards": table.shards,
            "rows": table.rows,
            "sums": table.sums,
            "tables": (),
        }
    )


def sum_of_shard(manifest: Manifest, shard: int, source: str) -> str | None:
    """Return what the exporter counted of a declared sum in one shard.

    None where it counted none: the column has no exact sum, or is not there.
    """
    tables = {table.name: table.shards[shard].sums for table in manifest.tables}
    return _evaluate(manifest, source, manifest.shards[shard].sums, tables)


def sum_of_day(manifest: Manifest, source: str) -> str | None:
    """Return what the exporter counted of a declared sum in all shards."""
    return _evaluate(manifest, source, manifest.sums, {table.name: table.sums for table in manifest.tables})


def _evaluate(
    manifest: Manifest, source: str, leading: Mapping[str, str], tables: Mapping[str, Mapping[str, str]]
) -> str | None:
    try:
        declared = read_manifest_sum(manifest, source)
    except ValueError:
        return None
    sums = [(term, (leading if term.table is None else tables[term.table]).get(term.column)) for term in declared.terms]
    if any(text is None for _, text in sums):
        return None
    of = {term: parse_money(text or "", term.scale) for term, text in sums}
    return format_minor_units(declared.add_up(of.__getitem__), declared.scale)
