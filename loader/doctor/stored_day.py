"""Checks whether a stored day's rows fit the target's columns.

Types may fit, and values be too large for them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import polars as pl

from loader.run_inputs import RunInputs, read_run_inputs
from loader.stage_parts import PartReader
from loader.target.fit import check_fits
from loader.target.preflight import Target
from staging.config.pipeline import Pipeline
from staging.documents.head import list_heads, read_head
from staging.errors import PenstockError
from staging.names import DayNames
from staging.open_store import open_store
from staging.process.cancel import Cancel
from staging.process.finding import Finding, fault, well
from staging.store import Store

_MOST_DAYS = 14
_MOST_ROWS = 1_000_000


def examine_stored_day(pipeline: Pipeline, target: Target, schema: pl.Schema) -> Iterator[Finding]:
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
