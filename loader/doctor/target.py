"""Looks at all that loading a day needs, without loading one.

It does not stop at the first fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import polars as pl

from loader.doctor.stored_day import examine_stored_day
from loader.open_database import open_database
from loader.target.database import Database
from loader.target.ledger import ledger_name
from loader.target.preflight import check_target, find_tables
from staging.config.pipeline import Pipeline
from staging.errors import InputError, PenstockError
from staging.process.finding import Finding, fault, warn, well

_INIT = "penstock init creates it."


def examine_target(pipeline: Pipeline, schema: pl.Schema | None, key: Sequence[str]) -> Iterator[Finding]:
    """Yield the findings as they come.

    `schema` and `key` are the transform's output; None where not known.
    """
    try:
        with open_database(pipeline) as database:
            yield well("target", f"{database.name} answers")
            yield well("target connection", database.describe_connection())
            yield from _examine_tables(pipeline, database, schema, key)
    except PenstockError as error:
        yield fault("target", error)


def _examine_tables(
    pipeline: Pipeline, database: Database, schema: pl.Schema | None, key: Sequence[str]
) -> Iterator[Finding]:
    missing = list(_missing(pipeline, database))
    for name, absent in missing:
        yield fault(name, InputError(f"There is no table {absent}.", fix=_INIT))
    if missing:
        return
    try:
        table, ledger = find_tables(database, pipeline)
        yield well("target tables", f"{table.name} and {ledger.name} are there")
        if schema is None:
            fix = "Mend what is said of source and transform, and look again."
            yield warn("target fit", "Not looked at: what the transform returns is not known.", fix)
            return
        key_first = pl.Schema({name: schema[name] for name in (*key, *schema)})
        target = check_target(database, pipeline, key_first, key)
        yield well("target fit", "the transform's columns fit, the key is unique, and all writes are allowed")
        yield from examine_stored_day(pipeline, target, key_first)
    except PenstockError as error:
        yield fault("target fit", error)


def _missing(pipeline: Pipeline, database: Database) -> Iterator[tuple[str, str]]:
    schema, name = pipeline.target.table_parts()
    found = database.find_table(schema, name)
    if found is None:
        yield "target table", f"{schema}.{name}" if schema else name
    ledger_schema, ledger = ledger_name(pipeline, found.schema if found else schema)
    if database.find_table(ledger_schema, ledger) is None:
        yield "target ledger", ledger
