"""Plans how each column of a pipeline is carried.

Or says why it can't be.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from exporter.port.columns import ReadPlan
from exporter.port.source import SourceColumn
from exporter.port.time_column import INSTANT
from staging.config.source import SourceConfig
from staging.control_sums import is_conservable
from staging.dtypes import format_dtype

_TEXT_BYTES = 24  # a guess: only the longest value of a text or bytes column is known
_WIDTHS: dict[pl.DataType, int] = {
    pl.Int8(): 1,
    pl.UInt8(): 1,
    pl.Boolean(): 1,
    pl.Int16(): 2,
    pl.UInt16(): 2,
    pl.Int32(): 4,
    pl.UInt32(): 4,
    pl.Float32(): 4,
    pl.Date(): 4,
    pl.String(): _TEXT_BYTES,
    pl.Binary(): _TEXT_BYTES,
}
_WIDE_BYTES, _DECIMAL_BYTES = 8, 16


@dataclass(frozen=True, slots=True)
class PlannedColumn:
    """A column of the plan: its types and its purpose.

    Its type in the table and in the shards ("" where it can't be carried), and its purpose. `part` is `key`, `time` or
    `carried`. `conserved`: an exact control sum of it goes all the way.
    """

    name: str
    part: str
    source_type: str
    dtype: str
    conserved: bool
    refused: str


def describe_planned(
    source: SourceConfig, found: Mapping[str, SourceColumn], *, has_time: bool = True
) -> tuple[PlannedColumn, ...]:
    """Return the columns in the order of the shards."""
    return tuple(_planned(source, found, has_time=has_time))


def _planned(source: SourceConfig, found: Mapping[str, SourceColumn], *, has_time: bool) -> Iterator[PlannedColumn]:
    parts = dict.fromkeys(source.key_columns, "key") | ({source.time: "time"} if has_time else {})
    for name in (*parts, *source.columns):
        part = parts.get(name, "carried")
        column = found.get(name)
        if column is None:
            yield PlannedColumn(name, part, "", "", conserved=False, refused="there is no such column")
            continue
        dtype = INSTANT if part == "time" else column.carried.dtype if column.carried else None
        yield PlannedColumn(
            name=name,
            part=part,
            source_type=column.source_type or "(none)",
            dtype=format_dtype(dtype) if dtype is not None else "",
            conserved=part == "carried" and dtype is not None and is_conservable(dtype),
            refused="" if dtype is not None else column.refusal,
        )


def estimate_row_bytes(plan: ReadPlan) -> int:
    """Return about how many bytes a row has in memory."""
    return sum(
        _DECIMAL_BYTES if isinstance(dtype, pl.Decimal) else _WIDTHS.get(dtype, _WIDE_BYTES)
        for dtype in plan.schema().dtypes()
    )
