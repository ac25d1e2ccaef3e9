"""Creates the target and ledger tables that a pipeline needs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from exporter.inspect.describe import describe_beside, describe_source
from loader.alter import propose_changes
from loader.init import init_target
from processor.beside.tables import empty_tables
from processor.declaration import read_contract
from processor.find_transform import find_transform
from processor.transform import Day
from staging.config.pipeline import Pipeline
from staging.window import load_zone, plan_window, window_around


def create_tables(pipeline: Pipeline, *, apply: bool, folders: Sequence[Path] = ()) -> list[str]:
    """Create the target and ledger tables where they are missing.

    Return the SQL. The target's columns are those that the transform promises for the source's column types.
    """
    return create_and_compare(pipeline, apply=apply, folders=folders)[0]


def create_and_compare(pipeline: Pipeline, *, apply: bool, folders: Sequence[Path] = ()) -> tuple[list[str], list[str]]:
    """Return the SQL of `create_tables`, and proposed changes.

    Nobody runs the latter: ALTER TABLE for columns that the target lacks or that are too narrow.
    """
    transform, name = find_transform(pipeline.process, folders), pipeline.process.name
    contract = read_contract(transform, _some_day(pipeline, folders), name=name)
    created = init_target(pipeline, contract.schema, contract.key_columns, apply=apply)
    return created, propose_changes(pipeline, contract.schema, contract.key_columns)


def _some_day(pipeline: Pipeline, folders: Sequence[Path]) -> Day:
    """Describe the source as it is today; column types do not depend on the day."""
    source = pipeline.source
    zone = load_zone(source.timezone)
    today = window_around(datetime.now(UTC), source.window, zone)
    return Day(
        day=today,
        timezone=source.timezone,
        window=plan_window(today, zone, source.window),
        pipeline=pipeline.name,
        key=source.key,
        time=source.time,
        columns=source.columns,
        schema=describe_source(pipeline, folders),
        table=source.leading_name,
        table_schemas=(tables := describe_beside(pipeline)),
        tables=empty_tables(tables),
    )
