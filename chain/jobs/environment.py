"""What each job gets to know: its settings by environment, never by arguments, and no URL that is not its business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from chain.jobs.port import JobName
from staging.config.layers import read_overrides, variable_of
from staging.config.pipeline import Pipeline

WITHHELD = "env:PENSTOCK_URL_IS_WITHHELD"
"""Stands for a URL in the environment of a job that must not have it: looking it up fails and says so."""

URLS: dict[JobName, frozenset[str]] = {
    "exporter": frozenset({"source"}),
    "processor": frozenset(),
    "loader": frozenset({"target"}),
}


def plan_environments(
    pipeline: Pipeline, environ: Mapping[str, str], overrides: Sequence[str]
) -> dict[JobName, dict[str, str]]:
    """Return the environment of each job's processes on this machine.

    `--set` becomes variables, as arguments show in the process list. A job without business with a database has
    neither its URL nor the variable that `env:NAME` takes it from.
    """
    settings, _ = read_overrides(overrides)
    everything = dict(environ) | {variable_of(setting.path): setting.text for setting in settings}
    return {job: _withhold(everything, pipeline, job) for job in URLS}


def _withhold(environment: Mapping[str, str], pipeline: Pipeline, job: JobName) -> dict[str, str]:
    references = pipeline.url_references()
    allowed = {reference for section, reference in references.items() if section in URLS[job]}
    kept = dict(environment)
    for section, reference in references.items():
        if section in URLS[job]:
            continue
        if reference.startswith("env:") and reference not in allowed:
            kept.pop(reference.removeprefix("env:"), None)
        kept[variable_of((section, "url"))] = WITHHELD
    return kept
