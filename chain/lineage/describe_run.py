"""Describes the data of a run by its documents.

Tables, exports, parts and target, and what is made of what.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from chain.lineage.datasets import DatasetName, name_beside, name_exports, name_parts, name_source, name_target
from chain.lineage.events import Described
from staging.config.pipeline import Pipeline
from staging.documents.manifest import Column, Manifest, Shard, TableExport
from staging.documents.run import Receipt
from staging.manifest_sums import read_manifest_sum

Data = list[Described]


def describe_data(
    pipeline: Pipeline,
    manifest: Manifest | None,
    receipts: Sequence[Receipt],
    *,
    rows_loaded: int | None,
    is_complete: bool,
) -> tuple[Data, Data, Data, Data]:
    """Return what is read, staged, processed and loaded.

    As far as the documents say. Rows are of jobs that are complete.
    """
    sources = [
        Described(name_source(pipeline)),
        *(Described(name_beside(pipeline, each)) for each in _beside(pipeline)),
    ]
    exports = [Described(name_exports(pipeline)), *(Described(name_exports(pipeline, e)) for e in _beside(pipeline))]
    parts, target = Described(name_parts(pipeline)), Described(name_target(pipeline))
    if manifest is not None:
        tables = {table.name: table for table in manifest.tables}
        read: list[Manifest | TableExport] = [manifest]
        read += [tables[each] for each in _beside(pipeline) if each in tables]
        sources = [Described(s.name, _source_types(r.columns)) for s, r in zip(sources, read, strict=False)]
        exports = [
            Described(
                e.name,
                {column.name: column.dtype for column in r.columns},
                r.rows if is_complete else None,
                _bytes(r.shards),
                {column.name: [(s.name, column.name)] for column in r.columns},
            )
            for e, s, r in zip(exports, sources, read, strict=False)
        ]
    if manifest is not None and receipts:
        columns = receipts[0].output_columns
        parts = Described(
            parts.name,
            columns,
            sum(each.rows_out for each in receipts) if is_complete else None,
            sum(each.part.size_bytes for each in receipts),
            _made_of(pipeline, manifest, receipts[0]),
        )
        target = Described(target.name, columns, rows_loaded, None, {name: [(parts.name, name)] for name in columns})
    return sources, exports, [parts], [target]


def _beside(pipeline: Pipeline) -> list[str]:
    return list(pipeline.source.with_)


def _made_of(pipeline: Pipeline, manifest: Manifest, receipt: Receipt) -> dict[str, list[tuple[DatasetName, str]]]:
    """Return what is declared: the key, and each conserved sum with the columns of every table that is in it."""
    leading = name_exports(pipeline)
    found = {name: [(leading, name)] for name in receipt.key_columns if name in manifest.source.key_columns}
    for each in receipt.conserved:
        terms = read_manifest_sum(manifest, each.source).terms
        found[each.output] = [(name_exports(pipeline, term.table), term.column) for term in terms]
    return found


def _source_types(columns: Iterable[Column]) -> dict[str, str]:
    return {column.name: column.source_type for column in columns}


def _bytes(shards: Iterable[Shard]) -> int:
    return sum(file.size_bytes for shard in shards for file in shard.files)
