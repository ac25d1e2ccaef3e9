"""Checks everything that a run of the pipeline needs.

Source, transform, target, staging store, jobs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from chain.doctor.bucket import examine_staging, examine_store
from chain.doctor.jobs import examine_jobs, examine_transform
from chain.notify.teller import examine_hook
from exporter.inspect.describe import describe_source
from exporter.inspect.doctor import SourceLook, examine_source, last_day
from loader.doctor import examine_target
from staging.config.pipeline import Pipeline
from staging.errors import PenstockError
from staging.process.finding import Finding, fault, well


def examine(
    pipeline: Pipeline, folders: Sequence[Path], environ: Mapping[str, str], now: Callable[[], datetime]
) -> Iterator[Finding]:
    """Yield the findings as they come.

    What depends on something that is at fault is reported as unknown.
    """
    day = last_day(now(), pipeline)
    look = SourceLook()
    if pipeline.source.is_database:
        yield from examine_source(pipeline, day, look, now)
    else:
        yield _examine_other(pipeline, look, folders)
    finding, contract = examine_transform(pipeline, day, look, folders)
    yield finding
    if pipeline.target.parquet is None:
        output = (contract.schema, contract.key_columns) if contract else (None, ())
        yield from examine_target(pipeline, *output)
    else:
        yield from examine_store("target", pipeline.target.parquet, now)
    yield from examine_staging(pipeline, now)
    yield from examine_jobs(pipeline, environ)
    yield from examine_hook(pipeline, environ)


def _examine_other(pipeline: Pipeline, look: SourceLook, folders: Sequence[Path]) -> Finding:
    try:
        look.schema = describe_source(pipeline, folders)
    except PenstockError as error:
        return fault("source", error)
    return well("source", f"{pipeline.source.place}: all {len(look.schema)} columns are carried exactly")
