"""Plans and writes Parquet files beside the tables.

They are listed before the database is asked for anything, and read when its rows are written: no snapshot waits for
them. They are as they were when they were listed, not as of the seal.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import polars as pl

from exporter.port.question import DayQuestion, PlannedRead
from exporter.port.source import Estimate
from exporter.read.beside import PlannedTable, check_key
from exporter.refuse.drift import check_drift, find_table_contract
from staging.config.with_table import WithTable
from staging.documents.manifest import Manifest, SourceObject

_DIALECT = "parquet"


class Files(Protocol):
    """The files of one `source.with.NAME`, listed and not yet read."""

    name: str
    question: DayQuestion
    config: WithTable

    @property
    def as_of(self) -> datetime:
        """When they were listed."""
        ...

    @property
    def objects(self) -> Sequence[SourceObject]:
        """What was listed."""
        ...

    @property
    def evidence(self) -> Mapping[str, str]:
        """What the store said of them."""
        ...

    def plan(self) -> PlannedRead:
        """Return the columns.

        InputError for what can't be carried exactly.
        """
        ...

    def estimate(self) -> Estimate:
        """Return how many rows they may have."""
        ...

    def frames(self, read: PlannedRead) -> Iterator[pl.DataFrame]:
        """Yield all rows of the day, as a statement would give them."""
        ...


def plan_files(
    files: Sequence[Files], question: DayQuestion, contract: Manifest | None, leads: PlannedRead
) -> list[PlannedTable[Files]]:
    """Return them in the order in which they are read.

    Those with a time first. InputError for files that can't be read with the leading table, which `leads`. No row is
    read.
    """
    found = []
    for each in sorted(files, key=lambda files: files.config.time is None):
        with each.question.names_its_table():
            read = each.plan()
        check_key(question, leads, each.question, read)
        check_drift(find_table_contract(contract, each.name), each.question, read, _DIALECT)
        found.append(PlannedTable(each.name, each.config, each.question, each, read, each.estimate()))
    return found


def why_not_over(files: Sequence[Files], window_end: datetime) -> str:
    """Return why the day may still get rows in files, or ""."""
    early = [each.name for each in files if each.config.time is not None and each.as_of < window_end]
    return f"the files of source.with.{early[0]} were listed before the day was over" if early else ""
