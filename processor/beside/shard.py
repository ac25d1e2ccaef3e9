"""A shard's rows of the tables beside the leading one.

Brought here and proven as the leading table's are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from processor.assignment import Assignment
from processor.beside.tables import Tables
from processor.shard_checks import ShardChecks, is_stray_of, plan_table_checks
from processor.shard_files import fetch_shard, local_paths
from staging.documents.manifest import Shard, TableExport
from staging.shard_scan import scan_shard
from staging.store import Store


@dataclass(frozen=True, slots=True)
class TableShard:
    """One table's rows of one shard, which need not be here yet."""

    table: TableExport
    shard: Shard
    schema: pl.Schema
    paths: Sequence[Path]

    @property
    def name(self) -> str:
        """The pipeline's name for the table."""
        return self.table.name

    @property
    def rows(self) -> pl.LazyFrame:
        """The rows, once they are fetched."""
        return scan_shard(self.paths, self.schema)

    def fetch(self, store: Store) -> None:
        """Put the verified files in their places."""
        fetch_shard(store, self.shard, self.schema, self.paths)

    def plan_checks(self, work: Assignment) -> ShardChecks:
        """Return the checks of rows, sums and columns."""
        return plan_table_checks(work, self.table, self.rows, self.shard)

    def verify_alone(self, work: Assignment) -> None:
        """Run the checks without a transform, and that of the keys."""
        self.plan_checks(work).verify_alone(is_stray_of(self.table, self.schema, self.shard))


def find_tables(work: Assignment, shard: int, scratch: Path) -> list[TableShard]:
    """Return the shard of each table beside the leading one."""
    return [
        TableShard(
            table,
            table.shards[shard],
            work.day.table_schemas[table.name],
            local_paths(table.shards[shard], scratch, table.name),
        )
        for table in work.manifest.tables
    ]


def with_rows_of(work: Assignment, tables: Sequence[TableShard]) -> Assignment:
    """Return the work of one shard, whose day has that shard's rows."""
    return replace(work, day=work.day.with_tables(Tables({table.name: table.rows for table in tables})))
