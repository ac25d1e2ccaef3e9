"""Decodes what a driver delivers into the shards' columns.

Exact, or refused by naming the column and a row's key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import polars as pl

from exporter.port.columns import ColumnPlan, ReadPlan
from exporter.port.probes import NEVER_CHANGED
from exporter.port.source import TimeKind, Wire
from exporter.port.time_column import INSTANT, decode_time, parse_iso_text
from staging.errors import InputError, IntegrityError
from staging.window import Window

_YEAR_1 = pl.date(1, 1, 1)
_YEAR_9999 = pl.date(9999, 12, 31)
_IF_MEANT = "If NULL is meant, name the column in `source.allow_null`. "


@dataclass(frozen=True, slots=True)
class Decoder:
    """Turns batches of c0, c1 … into frames of shards' columns.

    Rows must lie inside the window.
    """

    plan: ReadPlan
    window: Window
    zone: ZoneInfo

    def decode(self, batches: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Yield each batch decoded.

        InputError for a value that can't be carried, IntegrityError for a foreign row.
        """
        expressions = [self._expression(i, column) for i, column in enumerate(self.plan.columns)]
        for raw in batches:
            frame = raw.select(expressions)
            self._check(raw, frame)
            frame = self._keep_window(frame) if self.plan.kind is not None else frame
            if frame.height:
                yield frame

    def _expression(self, index: int, column: ColumnPlan) -> pl.Expr:
        source = f"c{index}"
        if self.plan.kind is not None and column.name == self.plan.time.name:
            return decode_time(source, self.plan.time_kind, self.window, self.zone).alias(column.name)
        return _decode_value(pl.col(source), column).alias(column.name)

    def _check(self, raw: pl.DataFrame, frame: pl.DataFrame) -> None:
        for index, column in enumerate(self.plan.columns):
            before, after = raw[:, index], frame[:, index]
            if after.null_count() > before.null_count():
                row = (before.is_not_null() & after.is_null()).arg_max()
                raise self._fault(raw, row, column, f"holds {self._show(column, before, row)}")
            if before.null_count() and not column.may_be_null:
                row = before.is_null().arg_max()
                raise self._fault(raw, row, column, column.null_meaning, first=_IF_MEANT if column.conserved else "")

    def _show(self, column: ColumnPlan, values: pl.Series, row: int | None) -> str:
        if values.dtype.is_temporal() and (self.plan.kind is None or column != self.plan.time):
            # It can't be shown: such a value overflows Python's, and the server's infinity is only a large number here.
            return "a time that is infinite or outside the years 1 to 9999"
        return f"{_show(values[row or 0])}, which is no {column.meaning}"

    def _fault(
        self, raw: pl.DataFrame, row: int | None, column: ColumnPlan, what: str, *, first: str = ""
    ) -> InputError:
        named_by = [i for i, key in enumerate(self.plan.key) if key != column] or [self.plan.time_index]
        return InputError(
            f"Column {column.name} ({column.source_type}) {what}, where {self._name_row(raw, row, named_by)}.",
            why=NEVER_CHANGED,
            fix=first + self.plan.fix_row,
        )

    def _name_row(self, frame: pl.DataFrame, row: int | None, columns: Iterable[int]) -> str:
        return " and ".join(f"{self.plan.columns[i].name} is {_show(frame[:, i][row or 0])}" for i in columns)

    def _keep_window(self, frame: pl.DataFrame) -> pl.DataFrame:
        time = frame[self.plan.time.name]
        inside = (time >= self.window.start) & (time < self.window.end)
        if inside.all():
            return frame
        if self.plan.time_kind is TimeKind.ISO_TEXT:
            return frame.filter(inside)
        row = (~inside).arg_max()
        raise IntegrityError(
            f"The database returned a row outside the day's window, where "
            f"{self._name_row(frame, row, range(self.plan.time_index))}.",
            why=f"Its time is {time[row or 0]}; the window is {self.window.start} to {self.window.end}.",
            fix="Please report this with the type of the time column; nothing was exported.",
        )


def _decode_value(value: pl.Expr, column: ColumnPlan) -> pl.Expr:
    dtype = column.dtype
    match column.wire:
        case Wire.TYPED_DECIMAL_TEXT | Wire.DECIMAL_TEXT:
            assert isinstance(dtype, pl.Decimal)  # noqa: S101 - nothing else travels so
            return _decode_decimal(value, dtype, is_typed=column.wire is Wire.TYPED_DECIMAL_TEXT)
        case Wire.DATE_TEXT:
            return value.str.to_date("%Y-%m-%d", strict=False)
        case Wire.DATETIME_TEXT:
            parsed = parse_iso_text(value)
            return parsed.dt.replace_time_zone("UTC") if dtype == INSTANT else parsed
        case Wire.TIME_TEXT:
            return value.str.to_time("%H:%M:%S%.f", strict=False)
        case Wire.BOOLEAN_INTEGER:
            return pl.when(value.is_in([0, 1])).then(value).cast(pl.Boolean)
        case Wire.NATIVE:
            return _within_limits(value.cast(dtype, strict=False), dtype)


def _decode_decimal(value: pl.Expr, dtype: pl.Decimal, *, is_typed: bool) -> pl.Expr:
    """NULL for what has more digits than the type: polars silently rounds superfluous ones.

    Where the server writes the declared digits, it is enough to see that the point is where it was declared: half the
    price of looking at each digit. (What is no number at all has no cast.)
    """
    if is_typed and dtype.scale:
        is_exact = value.str.tail(dtype.scale + 1).str.starts_with(".")
    elif is_typed:
        is_exact = ~value.str.contains(".", literal=True)
    else:
        is_exact = value.str.contains(rf"^[+-]?\d+(?:\.\d{{0,{dtype.scale}}}0*)?$")
    return pl.when(is_exact).then(value).cast(dtype, strict=False)


def _within_limits(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """NULL for what the database can hold and a shard can't: infinities, NaN, years outside 1 to 9999."""
    if dtype.is_float():
        return pl.when(value.is_finite()).then(value)
    if dtype == pl.Date:
        return pl.when(value.is_between(_YEAR_1, _YEAR_9999)).then(value)
    if isinstance(dtype, pl.Datetime):
        return pl.when(value.dt.year().is_between(1, 9999)).then(value)
    return value


def _show(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"  # noqa: PLR2004 - enough to find a row by
