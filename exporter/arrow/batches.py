"""Prepares Arrow batches for the decoder.

It gives the columns that are carried and the rows of the day, nothing rounded, in types that polars takes whole. A
value that breaks its own type's rules is refused. Arrow checks nothing when it hands data over: text may hold any
bytes, a decimal more digits than it declares, a date part of a day. And polars panics at values that it has no form
for, or wraps them: seconds beyond its range became 1970.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl
import pyarrow as pa

from exporter.arrow.types import is_nanoseconds
from exporter.port.columns import ReadPlan
from exporter.port.source import Bound
from exporter.port.time_column import INSTANT
from staging.errors import InputError
from staging.key import show_row
from staging.process.cancel import Cancel

_NANOSECONDS = 1000  # of a microsecond

_DAY = timedelta(days=1)

MICROSECOND = "us"
_FIX = "Write the column as what it is: text as UTF-8 (or as binary), values within their type. Nothing was exported."


@dataclass(slots=True)
class ArrowBatches:
    """Yields frames of c0, c1 … as a statement would.

    Of rows from `low` (inclusive) to `high` (exclusive). A row without a time is given, too: the decoder refuses it by
    name. `outside_rows` counts those left out.
    """

    plan: ReadPlan
    low: Bound
    high: Bound
    cancel: Cancel
    outside_rows: int = 0
    has_near: bool = False
    """Whether any row lies in the window, or within a day of it."""

    def frames(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pl.DataFrame]:
        """Yield the frames.

        InputError for a timestamp that is finer than a microsecond.
        """
        names = [column.name for column in self.plan.columns]
        for batch in batches:
            self.cancel.check()
            columns = [batch.column(batch.schema.get_field_index(name)) for name in names]
            exact = [exact_column(name, column) for name, column in zip(names, columns, strict=True)]
            numbered = pa.RecordBatch.from_arrays(exact, names=[f"c{i}" for i in range(len(names))])
            frame = pl.DataFrame(pl.from_arrow(numbered))
            self._check_fractions(numbered.schema, frame)
            yield self.keep_inside(frame)

    def keep_inside(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows that the decoder is to see.

        As c0, c1 …; the others are counted. Files without a time give all rows.
        """
        if self.plan.kind is None:
            return frame
        inside = frame.filter(self._inside(frame, self.low, self.high))
        self.outside_rows += frame.height - inside.height
        if not self.has_near:
            self.has_near = not frame.filter(
                self._inside(frame, _moved(self.low, -_DAY), _moved(self.high, _DAY))
            ).is_empty()
        return inside

    def _inside(self, frame: pl.DataFrame, low: Bound, high: Bound) -> pl.Expr:
        name = f"c{self.plan.time_index}"
        time, dtype = pl.col(name), frame.schema[name]
        if isinstance(dtype, pl.Datetime):
            time = time.cast(INSTANT if dtype.time_zone else pl.Datetime("us"))
        return time.is_null() | ((time >= pl.lit(low)) & (time < pl.lit(high)))

    def _check_fractions(self, schema: pa.Schema, frame: pl.DataFrame) -> None:
        for index, column in enumerate(self.plan.columns):
            if not is_nanoseconds(schema.field(index).type):
                continue
            finer = frame[f"c{index}"].to_physical() % _NANOSECONDS != 0
            if finer.any():
                row, key = finer.arg_max(), [column.name for column in self.plan.key]
                values = [frame[:, place][row or 0] for place, _ in enumerate(key)]
                raise InputError(
                    f"Column {column.name} ({column.source_type}) has a time finer than a microsecond, "
                    f"where {show_row(key, values)}.",
                    why="Shards hold microseconds, and nothing is rounded.",
                    fix="Write the column in microseconds. Nothing was exported.",
                )


def _moved(bound: Bound, by: timedelta) -> Bound:
    return bound + by if isinstance(bound, date) else bound


def exact_column(name: str, column: pa.Array) -> pa.Array:
    """Return the same values, in a type that polars has.

    InputError for a value that its own type forbids.
    """
    try:
        column.validate(full=True)
        if pa.types.is_dictionary(column.type):
            column = column.dictionary_decode()
        return column.cast(_taken(column.type), safe=True)
    except (pa.ArrowException, ValueError) as exc:
        raise InputError(
            f"Column {name} ({column.type}) holds a value that its type does not allow.",
            why=" ".join(str(exc).split()),
            fix=_FIX,
        ) from exc


def _taken(arrow: pa.DataType) -> pa.DataType:
    """Return the type to cast to: an instant is the same in every zone, a decimal in every width."""
    if pa.types.is_timestamp(arrow):
        # Nanoseconds are looked at by name, with the row's key; anything coarser fits or is refused here.
        unit = arrow.unit if arrow.unit == "ns" else MICROSECOND
        return pa.timestamp(unit, "UTC" if arrow.tz is not None else None)
    if pa.types.is_decimal256(arrow):
        return pa.decimal128(arrow.precision, arrow.scale)
    return arrow
