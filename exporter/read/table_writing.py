"""Writes one table's rows among several of one instant.

It takes note of the day's keys, or compares its own with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Generic

import polars as pl

from exporter.read.attempt import Attempt, ShardedRead
from exporter.read.beside import PlannedTable, T, add_up
from exporter.shards.commit import WrittenTable
from exporter.shards.day_keys import DayKeys, KeysCompared


class TableWriting(Generic[T]):
    """A table on its way into shards.

    `keys` are the day's, None where nobody asks for them.
    """

    def __init__(self, table: PlannedTable[T], sharded: ShardedRead, keys: DayKeys | None) -> None:
        self.table = table
        self.sharded = sharded
        self._keys = keys
        self._compared: KeysCompared | None = None

    def write(self, batches: Iterator[pl.DataFrame]) -> None:
        """Write all rows; the objects are finished then, and uncommitted."""
        self.sharded.write(batches, self._note)

    def commit(self, evidence: Mapping[str, str]) -> WrittenTable:
        """Make the shards of a table beside the leading one exist."""
        table = self.table
        assert table.config is not None  # noqa: S101 - of the leading table alone it is
        files, counted = self.sharded.commit_files()
        return WrittenTable(
            name=table.name,
            table=str(table.question.table()),
            config=table.config,
            files=files,
            counted=counted,
            plan=table.read.plan,
            statement=table.read.statement.text(),
            table_columns=table.read.table_columns,
            keys_without_row=self._compared.keys_without_row if self._compared is not None else None,
            evidence=evidence,
        )

    def _note(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        if self._keys is None:
            return frames
        if self.table.has_time:
            return self._keys.note(frames, self.table.key)
        self._compared = self._keys.compare(frames, self.table.key, only=self.table.only_keys)
        return self._compared.rows()


def plan_writings(attempt: Attempt, tables: Sequence[PlannedTable[T]], keys: DayKeys) -> list[TableWriting[T]]:
    """Split all tables into as many shards.

    By the rows of all of them. `keys` are noted where some table has no time.
    """
    of_all = add_up(tables[0].estimate, tables[1:])
    noted = keys if any(not table.has_time for table in tables) else None
    return [
        TableWriting(table, ShardedRead(attempt.of(table.question), table.read, table.estimate, of_all), noted)
        for table in tables
    ]
