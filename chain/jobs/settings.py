"""Writes the pipeline that a job gets, as JSON.

It travels in one variable. File, environment and `--set` are read once, by the chain. Its jobs, here as elsewhere, see
what it saw, whatever becomes of the file meanwhile; and no job sees how to reach a database that it does not use.
"""

from __future__ import annotations

import json
from typing import Any

from chain.jobs.port import JobName
from staging.config.database import PARTS, WITHHELD, DatabaseSection
from staging.config.pipeline import Pipeline
from staging.errors import InputError

VARIABLE = "PENSTOCK_PIPELINE"
CONFIG_ARGUMENT = f"env:{VARIABLE}"
"""What a job is given as `--config`."""

FILE_VARIABLE = f"{VARIABLE}_FILE"
"""Where the pipeline was read, for jobs on the same machine: modules lie beside it (`module_folders`)."""

URLS: dict[JobName, frozenset[str]] = {
    "exporter": frozenset({"source"}),
    "processor": frozenset(),
    "loader": frozenset({"target"}),
}
"""The sections whose databases a job connects to."""


def write_pipeline(pipeline: Pipeline, job: JobName) -> str:
    """Return what the job needs of the pipeline, as JSON.

    `--config env:NAME` reads it. References (`env:NAME`, `file:/path`) stay references. A password that is in the
    pipeline itself is in the text, if the job connects there.
    """
    values = dump(pipeline, {"cloud": True, "chain": True, "notify": True})
    for name, section in pipeline.databases().items():
        if name in URLS[job]:
            values[name] |= reference_of(section)
        else:
            values[name] = {key: value for key, value in values[name].items() if key not in PARTS} | {"url": WITHHELD}
    return to_text(values)


def dump(pipeline: Pipeline, without: dict[str, Any]) -> dict[str, Any]:
    """Return the pipeline's values as its file would have them."""
    return pipeline.model_dump(mode="python", by_alias=True, exclude_none=True, exclude=without)


def reference_of(section: DatabaseSection) -> dict[str, str]:
    """Return the key that is looked up, with its reference."""
    reference = section.url.reference
    return {section.secret_key: reference} if reference else {}


def check_length(text: str, most_bytes: int, where: str) -> None:
    """Raise InputError for a pipeline that is longer than a variable."""
    if len(text.encode()) > most_bytes:
        raise InputError(
            f"The pipeline file is too long for {where}.",
            why=f"It travels in a variable of at most {most_bytes} bytes.",
            fix="Shorten it; source.where is usually the longest.",
        )


def to_text(values: dict[str, Any]) -> str:
    """Return the values as JSON."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
