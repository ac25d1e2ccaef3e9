"""Combines stored days into an export of a longer window.

Their shards are named, and nothing is copied. A shard function takes a hash modulo the number of shards. Where days
have different numbers, their greatest common divisor g splits them all: shard s of n lies in shard s mod g, as g
divides n, so each key is still whole in one shard.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import polars as pl

from exporter.port.question import DayQuestion
from staging.columns.shard_function import BY_FILE
from staging.control_sums import format_minor_units, parse_money, scale_of
from staging.documents.manifest import Manifest, Reading, Shard, Source
from staging.documents.same_question import describe_other_question
from staging.documents.stored_days import StoredDay, read_stored_days
from staging.dtypes import schema_of
from staging.errors import InputError
from staging.key import Key, key_columns, spell_key
from staging.store import Store
from staging.version import VERSION
from staging.window import load_zone, plan_window, span_of

MAX_ROWS_PER_SHARD = 50_000_000
"""More would not fit the memory of a task; the same number of shards for all days keeps them small."""


def combine_days(question: DayQuestion, store: Store, *, now: datetime) -> Manifest:
    """Return the manifest of the window.

    InputError where the days don't fit together or answer another question.
    """
    days = read_stored_days(store, question.pipeline, question.names.day)
    first = days[0].manifest
    for stored in days:
        _check_day(stored.manifest, first, question)
    counts = sorted({len(stored.manifest.shards) for stored in days})
    shards = tuple(_combine_shard(number, math.gcd(*counts), days) for number in range(math.gcd(*counts)))
    _check_size(shards, counts, str(question.pipeline.source.exports))
    rows = sum(stored.manifest.rows for stored in days)
    return Manifest(
        export_id=question.export_id,
        pipeline=question.names.pipeline,
        day=question.names.day,
        timezone=question.pipeline.source.timezone,
        window_start=question.window.start,
        window_end=question.window.end,
        as_of=max(stored.manifest.as_of for stored in days),
        source=_describe(question, days),
        columns=first.columns,
        schema_fingerprint=first.schema_fingerprint,
        shard_function=first.shard_function,
        shards=shards,
        rows=rows,
        sums=_add_sums([stored.manifest.sums for stored in days], schema_of(first.columns)),
        reading=Reading(
            mode="exports",
            why=f"no database is read; {len(days)} stored days have {', '.join(map(str, counts))} shards",
            reader="manifests",
            seconds=0.0,
            waited_seconds={},
        ),
        created_at=now,
        penstock_version=VERSION,
    )


def _check_day(manifest: Manifest, first: Manifest, question: DayQuestion) -> None:
    source = question.pipeline.source
    asked = {
        "key": (manifest.source.key_columns, source.key_columns),
        "time": (manifest.source.time, source.time),
        "columns": (tuple(column.name for column in manifest.carried), source.columns),
        "timezone": (manifest.timezone, source.timezone),
    }
    if wrong := [
        f"source.{name} is {_show(now)}, the day has {_show(was)}" for name, (was, now) in asked.items() if was != now
    ]:
        raise InputError(
            f"The stored export of {manifest.pipeline} {manifest.day} answers another question.",
            why="; ".join(wrong) + ".",
            fix="Write key, time, columns and timezone as the pipeline of the days has them.",
        )
    if others := describe_other_question(manifest, first):
        raise InputError(
            f"The stored exports of {manifest.pipeline} {first.day} and {manifest.day} answer two questions.",
            why="; ".join(others) + ".",
            fix=f"Read the days again that were asked otherwise: penstock run --fresh-export of {manifest.pipeline}.",
        )
    window = plan_window(manifest.day, load_zone(manifest.timezone), span_of(manifest.day))
    if manifest.window() != (window.start, window.end):
        raise InputError(
            f"{manifest.pipeline} {manifest.day} holds other hours than its day has.", why="Its window differs."
        )
    if manifest.shard_function == BY_FILE:
        raise InputError(
            f"The shards of {manifest.pipeline} {manifest.day} are files where they lie.",
            why="A key may lie in several of them.",
            fix='Export the days with `export.shard = "key"`.',
        )
    if manifest.schema_fingerprint != first.schema_fingerprint:
        raise InputError(
            f"{manifest.pipeline} {manifest.day} has columns of other types than {first.day}.",
            why=f"{_types(manifest)} instead of {_types(first)}.",
            fix=f"Read the days again that have the old types: penstock run --fresh-export --day {first.day}.",
        )


def _types(manifest: Manifest) -> str:
    return ", ".join(f"{column.name} {column.dtype} ({column.source_type})" for column in manifest.columns)


def _show(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _check_size(shards: Sequence[Shard], counts: Sequence[int], pipeline: str) -> None:
    largest = max(shard.rows for shard in shards)
    if largest > MAX_ROWS_PER_SHARD:
        raise InputError(
            f"A shard of the window would have {largest:,} rows; {MAX_ROWS_PER_SHARD:,} are the most.",
            why=f"The days of {pipeline} have {', '.join(map(str, counts))} shards, so {len(shards)} split them all.",
            fix=f"Set `export.shards` of {pipeline} to one number, and export the days again.",
        )


def _combine_shard(number: int, shards: int, days: Sequence[StoredDay]) -> Shard:
    found = [
        shard for stored in days for shard in stored.manifest.shards if shard.shard % shards == number and shard.rows
    ]
    schema = schema_of(days[0].manifest.columns)
    key = days[0].manifest.source.key_columns
    dtypes = [schema[column] for column in key]
    return Shard(
        shard=number,
        files=tuple(file for shard in found for file in shard.files),
        rows=sum(shard.rows for shard in found),
        min_key=_extreme(min, [shard.min_key for shard in found], dtypes),
        max_key=_extreme(max, [shard.max_key for shard in found], dtypes),
        sums=_add_sums([shard.sums for shard in found] or [dict.fromkeys(days[0].manifest.sums, "0")], schema),
    )


def _extreme(choose: Callable[..., str], keys: Iterable[Key | None], dtypes: Sequence[pl.DataType]) -> Key | None:
    """Return the least or greatest value of each column by itself, numbers by their value."""
    spelled = [key_columns(key) for key in keys if key is not None]
    if not spelled:
        return None
    by: list[Callable[[str], Any]] = [Decimal if dtype.is_numeric() else str for dtype in dtypes]
    return spell_key([choose((key[i] for key in spelled), key=by[i]) for i in range(len(dtypes))])


def _add_sums(sums: Sequence[dict[str, str]], schema: pl.Schema) -> dict[str, str]:
    scales = {column: scale_of(schema[column]) for column in sums[0]}
    return {
        column: format_minor_units(sum(parse_money(each[column], scale) for each in sums), scale)
        for column, scale in scales.items()
    }


def _describe(question: DayQuestion, days: Sequence[StoredDay]) -> Source:
    first, pipeline = days[0].manifest.source, str(question.pipeline.source.exports)
    return Source(
        dialect="exports",
        server_version="",
        server_identity="",
        table=pipeline,
        key=first.key,
        time=first.time,
        where=first.where,
        statement=f"the stored exports of {pipeline}, {days[0].manifest.day} to {days[-1].manifest.day}",
        evidence={"days": str(len(days))},
        table_columns=first.table_columns,
        exports=tuple(stored.named for stored in days),
    )
