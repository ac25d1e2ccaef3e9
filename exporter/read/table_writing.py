"""Writes one table's rows among several of one instant.

It takes note of the day's keys, or compares its own with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Generic

import polars as pl

from exporter.read.attempt import Attempt, ShardedRead
from exporter.read.beside import PlannedTable, T, U, add_up, refuse_other_key, refuse_two_rows
from exporter.read.files import Files
from exporter.shards.commit import WrittenTable
from exporter.shards.day_keys import DayKeys, KeysCompared
from staging.documents.manifest import SourceObject


class TableWriting(Generic[U]):
    """A table on its way into shards.

    `keys` are the day's, None where nobody asks for them.
    """

    def __init__(self, table: PlannedTable[U], sharded: ShardedRead, keys: DayKeys | None) -> None:
        self.table = table
        self.sharded = sharded
        self._keys = keys
        self._compared: KeysCompared | None = None

    def write(self, batches: Iterator[pl.DataFrame]) -> None:
        """Write all rows; the objects are finished then, and uncommitted."""
        with self.table.question.names_its_table():
            self.sharded.write(batches, self._note)

    def commit(self, evidence: Mapping[str, str], objects: Sequence[SourceObject] = ()) -> WrittenTable:
        """Make the shards of a table beside the leading one exist.

        `objects` are the files that it was read from.
        """
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
            objects=tuple(objects),
        )

    def _note(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        if self._keys is None:
            return frames
        if self.table.has_time:
            return self._keys.note(frames, self.table.key)
        refuse = partial(refuse_other_key, self.table.question, self.table.key) if self.table.is_joined else None
        self._compared = self._keys.compare(frames, self.table.key, only=self.table.only_keys, refuse=refuse)
        rows = self._compared.rows()
        return _one_row_a_key(rows, self.table) if self.table.question.is_of_files else rows


def plan_writings(
    attempt: Attempt, tables: Sequence[PlannedTable[T]], files: Sequence[PlannedTable[Files]], keys: DayKeys
) -> tuple[list[TableWriting[T]], list[TableWriting[Files]]]:
    """Split all tables, and the files beside them, into as many shards.

    By the rows of all of them. `keys` are noted where some table has no time.
    """
    estimates = [*(table.estimate for table in tables), *(table.estimate for table in files)]
    of_all = add_up(estimates[0], estimates[1:])
    has_timeless = not all([*(table.has_time for table in tables), *(table.has_time for table in files)])
    noted = keys if has_timeless else None

    def plan(table: PlannedTable[U]) -> TableWriting[U]:
        sharded = ShardedRead(attempt.of(table.question), table.read, table.estimate, of_all)
        return TableWriting(table, sharded, noted)

    return [plan(table) for table in tables], [plan(table) for table in files]


def write_files(files: Sequence[TableWriting[Files]], after: ShardedRead) -> None:
    """Write the rows of files, when those of all tables are written.

    InputError where files without a time have two rows of a key.
    """
    for writing in files:
        writing.sharded.continue_from(after)
        writing.write(writing.table.table.frames(writing.table.read))
        after = writing.sharded


def commit_files(files: Sequence[TableWriting[Files]]) -> list[WrittenTable]:
    """Make the shards of files exist."""
    return [writing.commit(writing.table.table.evidence, writing.table.table.objects) for writing in files]


def _one_row_a_key(frames: Iterator[pl.DataFrame], table: PlannedTable[U]) -> Iterator[pl.DataFrame]:
    """Give the frames, and compare their keys at the end: no database has checked that each key has one row."""
    seen = []
    for frame in frames:
        seen.append(frame.select(table.key))
        yield frame
    keys = pl.concat(seen) if seen else pl.DataFrame()
    twice = keys.filter(keys.is_duplicated())
    if twice.height:
        raise refuse_two_rows(table.question, table.key, twice.row(0))
