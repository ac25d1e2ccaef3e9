"""Stages parts in the temporary table, one after the other.

Both sides are checked: what was read and what is staged.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass

import polars as pl

from loader.conservation import add_up, part_faults, raise_if_any, sum_columns
from loader.merge import merge_parts
from loader.parts import fetch_objects, read_part
from loader.run_inputs import RunInputs
from loader.target.content import Content, content_faults
from loader.target.database import Database
from loader.target.day import count_rows
from loader.target.fit import Choices, check_fits
from loader.target.preflight import Target
from loader.target.row_text import ContentDigest, format_rows
from loader.target.sql import Staged
from staging.control_sums import format_minor_units, scale_of
from staging.documents.manifest import ShardFile
from staging.process.cancel import Cancel
from staging.process.progress import Progress
from staging.store import Store

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: pl.DataFrame
    text: bytes


class PartReader:
    """Reads a run's parts in batches and checks their receipts."""

    def __init__(
        self, store: Store, inputs: RunInputs, cancel: Cancel, files: Sequence[ShardFile] | None = None
    ) -> None:
        """Take the run's parts.

        `files` are what a target made of the parts, read as they are instead of them.
        """
        self._files = files
        self._store = store
        self._inputs = inputs
        self._cancel = cancel
        self._digest = ContentDigest(inputs.names.day, inputs.schema)
        self._rows = 0
        self._sums = dict.fromkeys(sum_columns(inputs.schema, inputs.key), 0)
        self._sums_of_parts = dict(self._sums)

    def batches(self) -> Generator[_Batch]:
        """Yield all rows, at most 65,536 at a time.

        IntegrityError at the first part that does not agree.
        """
        for frame in self.frames():
            for rows in frame.iter_slices(_BATCH_ROWS):
                self._cancel.check()
                text = format_rows(rows)
                self._digest.add(text)
                yield _Batch(rows, text)

    def frames(self) -> Iterator[pl.DataFrame]:
        """Yield all rows as the target is to have them.

        Part by part, or merged where they are partial.
        """
        if self._files is not None:
            frames = self._read(self._files)
        elif self._inputs.merge:
            frames = merge_parts(self._parts(), self._inputs, self._cancel)
        else:
            frames = self._parts()
        for frame in frames:
            self._rows += frame.height
            self._sums = {name: units + add_up(frame.get_column(name)) for name, units in self._sums.items()}
            yield frame
        if self._inputs.merge and self._files is None:
            self._check_merged_sums()

    def _parts(self) -> Iterator[pl.DataFrame]:
        inputs = self._inputs
        files = [receipt.part for receipt in inputs.receipts]
        for receipt, part in zip(inputs.receipts, self._read(files), strict=True):
            sums = {name: add_up(part.get_column(name)) for name in self._sums}
            raise_if_any(
                list(part_faults(receipt, part.height, sums, inputs.schema)), "A part is not what its receipt says."
            )
            self._sums_of_parts = {name: units + sums[name] for name, units in self._sums_of_parts.items()}
            yield part

    def _read(self, files: Sequence[ShardFile]) -> Iterator[pl.DataFrame]:
        for file, path in fetch_objects(self._store, files, self._cancel):
            yield read_part(file, path, self._inputs.schema, self._inputs.key)

    def _check_merged_sums(self) -> None:
        merged = [name for name, how in self._inputs.merge.items() if how == "sum"]
        raise_if_any(
            [
                f"{name} adds up to {self._sums[name]} units after merging, to {self._sums_of_parts[name]} before"
                for name in merged
                if self._sums[name] != self._sums_of_parts[name]
            ],
            "Merging changed a sum.",
        )

    def content(self) -> Content:
        """Return what was read, after the last batch."""
        schema = self._inputs.schema
        totals = {name: format_minor_units(units, scale_of(schema[name])) for name, units in self._sums.items()}
        return Content(self._rows, totals, self._digest.hexdigest())


def read_content(store: Store, inputs: RunInputs, cancel: Cancel, files: Sequence[ShardFile] | None = None) -> Content:
    """Prove the parts, or copies of them, without a database."""
    reader = PartReader(store, inputs, cancel, files)
    for _ in reader.batches():
        pass
    return reader.content()


def stage_parts(
    database: Database, target: Target, store: Store, inputs: RunInputs, *, cancel: Cancel, progress: Progress
) -> tuple[Staged, Content]:
    """Fill the temporary table with all parts.

    Before any transaction; it proves that the table holds what was read. InputError where a value does not fit the
    target; IntegrityError where anything was lost or changed.
    """
    staged = database.create_staged(target.table, target.key, target.values)
    reader = PartReader(store, inputs, cancel)
    choices = Choices(staged)
    done_rows = 0
    with closing(reader.batches()) as batches, ThreadPoolExecutor(1, "parts") as reading:
        for batch in _read_ahead(batches, reading):
            check_fits(batch.rows, staged.columns)
            choices.add(batch.rows)
            database.append_staged(staged, batch.rows, batch.text)
            done_rows += batch.rows.height
            progress.emit(rows=done_rows, expected_rows=inputs.rows)
    database.finish_staged(staged)
    choices.check(database)
    content = reader.content()
    found = count_rows(database, staged.name, target, content)
    raise_if_any(list(content_faults(content, found, "staged")), f"{database.name} does not hold what was staged.")
    return staged, content


def _read_ahead(batches: Iterator[_Batch], reading: ThreadPoolExecutor) -> Iterator[_Batch]:
    """Yield each batch while the next one is read: the database and we work at the same time."""
    coming = reading.submit(next, batches, None)
    while (batch := coming.result()) is not None:
        coming = reading.submit(next, batches, None)
        yield batch
