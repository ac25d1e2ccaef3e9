"""Reads what is the same for every shard of a run.

It is decided once, before the first shard is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from processor.beside.tables import empty_tables
from processor.declaration import read_contract
from processor.find_transform import find_transform
from processor.transform import Contract, Day, Transform
from staging.columns.shard_function import BY_FILE
from staging.config.pipeline import Pipeline
from staging.config.with_table import leading_name
from staging.documents.exports import read_manifest, read_run_export
from staging.documents.manifest import Manifest
from staging.documents.same_question import check_same_question
from staging.dtypes import schema_of
from staging.errors import InputError, IntegrityError
from staging.names import DayNames
from staging.process.author_module import find_source_digest
from staging.store import Store
from staging.window import Window

INSTANT = pl.Datetime("us", "UTC")
"""The type of every shard's time column, whatever type the database has."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """The run, the export it uses, the transform and its promise.

    `transform_name` is its name in the pipeline, `code` the digest of its module, None where unknown.
    """

    names: DayNames
    run_id: str
    manifest: Manifest
    day: Day
    transform_name: str
    transform: Transform
    contract: Contract
    code: str | None = None


def read_assignment(
    store: Store, pipeline: Pipeline, names: DayNames, run_id: str, folders: Sequence[Path]
) -> Assignment:
    """Read what the run uses and ask the transform what it promises.

    Raises before anything is fetched or written.
    """
    manifest = read_manifest(store, names, read_run_export(store, names, run_id))
    return assign(manifest, pipeline, names, run_id, folders)


def assign(manifest: Manifest, pipeline: Pipeline, names: DayNames, run_id: str, folders: Sequence[Path]) -> Assignment:
    """Find the transform and ask it what it promises of this export.

    InputError where the two don't go together.
    """
    check_same_question(manifest, pipeline.source)
    day = describe_day(manifest)
    name = pipeline.process.name
    transform = find_transform(pipeline.process, folders)
    contract = read_contract(transform, day, name=name)
    code = find_source_digest(name) if pipeline.process.sql is None else None
    _check_fits(manifest, contract, name)
    return Assignment(names, run_id, manifest, day, name, transform, contract, code)


def _check_fits(manifest: Manifest, contract: Contract, name: str) -> None:
    """If shards are files, one key may be in several: only an output that is merged afterwards is right then."""
    if manifest.shard_function == BY_FILE and not contract.merge:
        raise InputError(
            f"The transform {name} needs whole keys, and the shards of {manifest.day} are files.",
            why="Rows of one key may lie in several files, so the key would come out twice.",
            fix="Declare in its contract how they merge (`merge`), or read the day again with "
            'export.shard = "key" and --fresh-export.',
        )


def describe_day(manifest: Manifest) -> Day:
    """Return the day.

    IntegrityError when its times are no instants, which no exporter writes.
    """
    schema = schema_of(manifest.columns)
    if schema[manifest.source.time] != INSTANT:
        raise IntegrityError(
            f"The times of the export {manifest.export_id} are no instants.",
            why=f"{manifest.source.time} has type {schema[manifest.source.time]} instead of {INSTANT}.",
            fix="Read the day again with penstock run --fresh-export.",
        )
    return Day(
        day=manifest.day,
        timezone=manifest.timezone,
        window=Window(manifest.window_start, manifest.window_end),
        pipeline=manifest.pipeline,
        key=manifest.source.key,
        time=manifest.source.time,
        columns=tuple(column.name for column in manifest.carried),
        schema=schema,
        table=leading_name(manifest.source.table),
        table_schemas=(schemas := {table.name: schema_of(table.columns) for table in manifest.tables}),
        tables=empty_tables(schemas),
    )
