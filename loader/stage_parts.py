"""Parts into the temporary table, one after the other, checked on both sides: what was read and what is staged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from loader.conservation import add_up, part_faults, raise_if_any, sum_columns
from loader.content import Content, content_faults
from loader.database import Database
from loader.digest import ContentDigest
from loader.fit import check_fits
from loader.parts import fetch_objects, read_part
from loader.preflight import Target
from loader.row_text import format_rows
from loader.run_inputs import RunInputs
from loader.sql_text import Staged
from loader.target_day import count_rows
from staging.cancel import Cancel
from staging.control_sums import format_minor_units, scale_of
from staging.manifest import ShardFile
from staging.progress import Progress
from staging.store import Store

_BATCH_ROWS = 65_536


@dataclass(frozen=True, slots=True)
class _Batch:
    rows: pl.DataFrame
    text: bytes


class PartReader:
    """Reads a run's parts in batches and proves on the way that they are what the receipts say."""

    def __init__(
        self, store: Store, inputs: RunInputs, cancel: Cancel, files: Sequence[ShardFile] | None = None
    ) -> None:
        """`files` are read instead of the run's own parts: copies, one a receipt."""
        self._files = [receipt.part for receipt in inputs.receipts] if files is None else files
        self._store = store
        self._inputs = inputs
        self._cancel = cancel
        self._digest = ContentDigest(inputs.names.day, inputs.schema)
        self._rows = 0
        self._sums = dict.fromkeys(sum_columns(inputs.schema, inputs.key), 0)

    def batches(self) -> Iterator[_Batch]:
        """Give all rows, at most 65,536 at a time; IntegrityError at the first part that does not agree."""
        inputs = self._inputs
        fetched = fetch_objects(self._store, self._files, self._cancel)
        for receipt, (file, path) in zip(inputs.receipts, fetched, strict=True):
            part = read_part(file, path, inputs.schema)
            sums = {name: add_up(part.get_column(name)) for name in self._sums}
            raise_if_any(
                list(part_faults(receipt, part.height, sums, inputs.schema)), "A part is not what its receipt says."
            )
            self._rows += part.height
            self._sums = {name: units + sums[name] for name, units in self._sums.items()}
            for rows in part.iter_slices(_BATCH_ROWS):
                self._cancel.check()
                text = format_rows(rows)
                self._digest.add(text)
                yield _Batch(rows, text)

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
    """Fill the temporary table with all parts, before any transaction, and prove that it holds what was read.

    InputError where a value does not fit the target; IntegrityError where anything was lost or changed.
    """
    staged = database.create_staged(target.table, target.key, target.values)
    reader = PartReader(store, inputs, cancel)
    done_rows = 0
    for batch in reader.batches():
        check_fits(batch.rows, staged.columns)
        database.append_staged(staged, batch.rows, batch.text)
        done_rows += batch.rows.height
        progress.emit(rows=done_rows, expected_rows=inputs.rows)
    database.finish_staged(staged)
    content = reader.content()
    found = count_rows(database, staged.name, target, content)
    raise_if_any(list(content_faults(content, found, "staged")), f"{database.name} does not hold what was staged.")
    return staged, content
