"""Looks at all that loading a day needs, for `penstock doctor`.

Tables, columns, rights, and whether a stored day fits: types may fit, and values be too large for them. It does not
stop at the first fault, and loads nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import polars as pl

from loader.open_database import open_database
from loader.run_inputs import RunInputs, read_run_inputs
from loader.stage_parts import PartReader
from loader.target.database import Database
from loader.target.fit import check_fits
from loader.target.ledger import ledger_name
from loader.target.preflight import Target, check_target, find_tables
from staging.config.pipeline import Pipeline
from staging.documents.head import list_heads, read_head
from staging.errors import InputError, PenstockError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.finding import Finding, fault, warn, well
from staging.store import Store

_INIT = "penstock init creates it."
_MOST_DAYS = 14
_MOST_ROWS = 1_000_000


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
        yield from _examine_stored_day(pipeline, target, key_first)
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


def _examine_stored_day(pipeline: Pipeline, target: Target, schema: pl.Schema) -> Iterator[Finding]:
    """Compare the newest processed day with the target's columns.

    The day was processed into this output, loaded or not. Where there is none, there is no finding.
    """
    try:
        with open_store(pipeline.staging.url) as store:
            inputs = _find_processed(store, pipeline.name, schema)
            if inputs is None:
                return
            rows = 0
            for batch in PartReader(store, inputs, Cancel()).batches():
                check_fits(batch.rows, [target.columns[name] for name in batch.rows.columns])
                rows += batch.rows.height
                if rows >= _MOST_ROWS:
                    break
    except PenstockError as error:
        yield fault("stored day", error)
        return
    yield well("stored day", f"{rows:,} rows of {inputs.names.day} fit the target's columns")


def _find_processed(store: Store, pipeline: str, schema: pl.Schema) -> RunInputs | None:
    """Return the newest of the last days whose run has all its receipts, of this output; a damaged one is left out."""
    for day in islice(reversed(list_heads(store, pipeline)), _MOST_DAYS):
        names = DayNames(pipeline, day)
        found = read_head(store, names)
        if found is None or (run_id := found[0].run_id) is None:
            continue
        try:
            inputs = read_run_inputs(store, names, run_id)
        except PenstockError:  # not processed yet, or of interest to `verify`
            continue
        if dict(inputs.schema) == dict(schema):
            return inputs
    return None
