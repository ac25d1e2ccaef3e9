"""Tries a transform on your own rows, for its tests.

It does what a task does with a shard.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from zoneinfo import ZoneInfo

import polars as pl

from processor.alone.plan import TransformAlone, plan_alone
from processor.beside.tables import Tables
from processor.contract import count_reasons
from processor.planned import as_split, check_schema, quarantine_schema
from processor.transform import Day, Transform
from processor.user_code import user_code
from staging.conserved_sum import Term
from staging.control_sums import format_minor_units, scale_of, sum_minor_units
from staging.errors import InputError, IntegrityError
from staging.key import Key, key_columns, show_key
from staging.window import plan_window


@dataclass(frozen=True, slots=True)
class Tried:
    """What a transform made of a frame.

    Rows sorted by key, rows set aside, how many by reason, and each sum that was kept (exact text).
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    reasons: Mapping[str, int]
    sums: Mapping[str, str]


def check_transform(
    transform: Transform,
    frame: pl.DataFrame,
    *,
    key: Key | None = None,
    time: str | None = None,
    day: date = date(2026, 1, 15),
    timezone: str = "UTC",
    pipeline: str = "tried",
    table: str = "",
    tables: Mapping[str, pl.DataFrame] | None = None,
) -> Tried:
    """Run a transform on a frame and prove what it promises.

    `frame` represents a shard: its key first, then its time, then the pipeline's `columns`. Without `key` that is the
    first column, without `time` the first of type Datetime, or the second column; times without a zone are UTC.
    `tables` represent those that were read beside it; `table` is the leading one's name, where a conserved sum uses it.

    Raises InputError or IntegrityError as a task would, and names the promise that was broken.
    """
    keys = key_columns(key if key is not None else frame.columns[0])
    at = time or _time_column(frame, keys)
    carried = tuple(column for column in frame.columns if column not in (*keys, at))
    rows = frame.select([*keys, at, *carried]).with_columns(_as_instant(frame, at))
    described = Day(
        day=day,
        timezone=timezone,
        window=plan_window(day, ZoneInfo(timezone)),
        pipeline=pipeline,
        key=keys[0] if len(keys) == 1 else keys,
        time=at,
        columns=carried,
        schema=rows.schema,
        table=table,
        table_schemas={name: each.schema for name, each in (tables or {}).items()},
    )
    work = plan_alone(transform, described, name=_name_of(transform))
    beside = Tables({name: each.lazy() for name, each in (tables or {}).items()})
    return try_on(replace(work, day=work.day.with_tables(beside)), rows)


def try_on(work: TransformAlone, rows: pl.DataFrame) -> Tried:
    """Run the transform and prove that it keeps its promises.

    `rows` have the day's columns.
    """
    name, contract = work.transform_name, work.contract
    with user_code(name, "failed while it ran"):
        answer = as_split(work.transform.apply(rows.lazy(), work.day), work.day)
        made, aside = pl.collect_all([answer.rows, answer.quarantine])
    check_schema("output", made.schema, contract.schema, name=name)
    check_schema("quarantine", aside.schema, quarantine_schema(work.day), name=name)
    made = _check_key(made, contract.key_columns, name)
    sums = {output: _check_sum(work, rows, made, aside, output) for output in contract.conserves}
    return Tried(made, aside, count_reasons(aside, rows.height, name), sums)


def _check_key(made: pl.DataFrame, key: Sequence[str], name: str) -> pl.DataFrame:
    keys = made.select(key)
    if missing := keys.filter(pl.any_horizontal(pl.all().is_null())).height:
        raise InputError(f"The transform {name} breaks its contract: {missing} rows have no {show_key(tuple(key))}.")
    if (twice := keys.height - keys.unique().height) > 0:
        raise InputError(
            f"The transform {name} breaks its contract: {show_key(tuple(key))} is not unique, {twice} rows too many.",
            fix="Group by the key, or declare how rows of one key merge.",
        )
    return made.sort(key)


def _check_sum(work: TransformAlone, rows: pl.DataFrame, made: pl.DataFrame, aside: pl.DataFrame, output: str) -> str:
    source = work.contract.conserves[output]
    declared = work.day.conserved_sum(source)
    made_scale, shard_scale = scale_of(work.contract.schema[output]), declared.scale
    scale = max(made_scale, shard_scale)

    def units_of(term: Term) -> int:
        frame = rows if term.table is None else work.day.tables[term.table].collect()
        return sum_minor_units(frame.get_column(term.column))

    whole, part = declared.add_up(units_of), sum_minor_units(made.get_column(output))
    kept = whole - declared.of_leading().add_up(lambda term: sum_minor_units(aside.get_column(term.column)))
    lost = kept * 10 ** (scale - shard_scale) - part * 10 ** (scale - made_scale)
    if lost:
        raise IntegrityError(
            f"The transform {work.transform_name} does not conserve {source}: "
            f"{format_minor_units(lost, scale)} of it is not in {output}.",
            fix="Let every row count in the output or go to quarantine, once.",
        )
    return format_minor_units(part, made_scale)


def _time_column(frame: pl.DataFrame, keys: Sequence[str]) -> str:
    others = [column for column in frame.columns if column not in keys]
    times = [column for column in others if isinstance(frame.schema[column], pl.Datetime)]
    if not others:
        raise InputError("The frame has no column besides its key.", fix="A shard has key, time and columns.")
    return times[0] if times else others[0]


def _as_instant(frame: pl.DataFrame, time: str) -> pl.Expr:
    dtype = frame.schema[time]
    if not isinstance(dtype, pl.Datetime):
        raise InputError(
            f"The time {time} has type {dtype}.", why="A shard's time is an instant.", fix="Name another one: time=…"
        )
    column = pl.col(time).dt.cast_time_unit("us")
    return column.dt.convert_time_zone("UTC") if dtype.time_zone else column.dt.replace_time_zone("UTC")


def _name_of(transform: Transform) -> str:
    function = transform.apply
    return f"{getattr(function, '__module__', '?')}:{getattr(function, '__qualname__', type(function).__name__)}"
