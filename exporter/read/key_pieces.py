"""Cuts a table without a time into pieces along its key.

By the keys of the day's rows, or all of it in the order of an index. In the snapshot of the seal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from exporter.port.axis import Axis
from exporter.port.columns import ColumnPlan
from exporter.port.source import KeyIndex, Statement
from exporter.read.slice_loop import ReadSlice

Ask = Callable[[str], Sequence[tuple[Any, ...]]]
Key = tuple[Any, ...]

_ALIAS = "penstock_key_"
_FEW_PAIRS = 100
"""A key of several columns costs a server a few times as much as a whole number."""
_END: Key = ()
"""A key that no row is behind."""


class ListedKeys:
    """The rows of some keys, found by an index."""

    def __init__(self, keys: pl.DataFrame, index: KeyIndex, plan: Sequence[ColumnPlan]) -> None:
        """Take keys of the plan's types, each once.

        The frame of none may have no column.
        """
        self._keys, self._index, self._plan = keys, index, plan

    def axis(self) -> Axis:
        """Return what the rows are cut along: places in the list."""
        proof, rows = "the keys of the day's rows, in the snapshot of the seal", self._keys.height
        axis = Axis("rows", self._index.order(), 0, rows, proof, self._index.hint, rows, piece=self._piece)
        return axis if len(self._plan) == 1 else replace(axis, few_rows=_FEW_PAIRS)

    def _piece(self, low: int, high: int) -> str:
        return self._index.among(self._keys.slice(low, high - low).rows())

    def keep(self, frame: pl.DataFrame, slices: Sequence[ReadSlice]) -> pl.DataFrame:
        """Return each row once.

        A server may take two texts for one key, such as `a` with and without a space behind it. Then each of them finds
        both rows, maybe in two slices; a row counts where its own key was asked for. Rows of keys that were not listed
        at all stay, to be refused by name.
        """
        first, last = slices[0].low, slices[-1].high
        listed = self._comparable(self._keys.slice(first, last - first)).with_row_index("place", first)
        of_rows = self._comparable(frame[:, : len(self._plan)]).with_columns(
            low=pl.concat(pl.repeat(each.low, each.rows.rows, eager=True) for each in slices),
            high=pl.concat(pl.repeat(each.high, each.rows.rows, eager=True) for each in slices),
        )
        names = listed.columns[1:]
        placed = of_rows.join(listed, on=names, how="left", maintain_order="left")
        if placed.get_column("place").null_count():  # of another frame's slices, or of none
            all_listed = self._comparable(self._keys).with_columns(elsewhere=pl.lit(value=True))
            placed = placed.join(all_listed, on=names, how="left", maintain_order="left")
        else:
            placed = placed.with_columns(elsewhere=pl.lit(value=None, dtype=pl.Boolean))
        is_asked_for = (pl.col("place") >= pl.col("low")) & (pl.col("place") < pl.col("high"))
        is_kept = is_asked_for.fill_null(value=False) | pl.col("elsewhere").is_null() & pl.col("place").is_null()
        return frame.filter(placed.select(is_kept).to_series())

    def _comparable(self, keys: pl.DataFrame) -> pl.DataFrame:
        """Numbers travel in other types than the shards': as text, with zeros before them, where they are decimals."""
        return keys.select(
            pl.col(name).cast(_comparable_type(column.dtype)).alias(f"k{place}")
            for place, (name, column) in enumerate(zip(keys.columns, self._plan, strict=True))
        )


def _comparable_type(dtype: pl.DataType) -> pl.DataType:
    if dtype.is_unsigned_integer():
        return pl.UInt64()
    return pl.Int64() if dtype.is_integer() or isinstance(dtype, pl.Decimal) else dtype


class KeyWalk:
    """All rows of a table, in the order of its key.

    A piece ends with the key of the row that is so many rows further, and has all rows that the server takes for that
    key. The first piece has no begin and the last one no end. So each begins where another one ends, whatever the order
    is. A count without the key, in the same snapshot, proves that no row is left out: an index may be damaged, or in
    the order of a collation that has changed since the index was made.
    """

    def __init__(self, ask: Ask, statement: Statement, index: KeyIndex) -> None:
        """Count the rows; `ask` runs a small statement."""
        self._ask, self._statement, self._index = ask, statement, index
        counted = f"COUNT(*), COUNT(CASE WHEN {statement.condition()} THEN 1 END)"
        ((all_rows, rows),) = ask(f"SELECT {counted} FROM {statement.table}")  # noqa: S608 - quoted by the dialect
        self._end, self.rows = int(all_rows), int(rows)
        key = statement.select[: len(index.columns)]
        self._selected = ", ".join(f"{carried.select} AS {_ALIAS}{place}" for place, carried in enumerate(key))
        self._behind: dict[int, Key | None] = {0: None}

    def axis(self) -> Axis:
        """Return what the rows are cut along.

        Their numbers, also of rows that `where` leaves out.
        """
        proof = "all rows, in the snapshot of the seal, which counts as many"
        return Axis("rows", self._index.order(), 0, self._end, proof, self._index.hint, self.rows, piece=self._piece)

    def _piece(self, low: int, high: int) -> str:
        behind = self._behind[low]
        is_last = behind == _END or high == self._end
        last = _END if is_last else self._key_of_row(behind, high - low)
        self._behind = {low: behind, high: last}  # the first if a piece is read again, shorter
        if behind == _END:
            return "1 = 0"
        ends = [self._index.after(behind)] if behind is not None else []
        ends += [self._index.up_to(last)] if last != _END else []
        return " AND ".join(ends) or "1 = 1"

    def _key_of_row(self, behind: Key | None, number: int) -> Key:
        """Return the key of the row that is so many rows further, `_END` where there is none."""
        after = f"WHERE {self._index.after(behind)} " if behind is not None else ""
        found = self._ask(
            f"SELECT {self._selected} FROM {self._statement.table} {self._index.hint} {after}"  # noqa: S608 - quoted by the dialect
            f"ORDER BY {self._index.order()} LIMIT 1 OFFSET {number - 1}"
        )
        return found[0] if found else _END
