"""Plans what each job gets to know.

Its settings by environment, never by arguments, and no URL that is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from chain.jobs.port import JobName
from staging.config.database import PARTS
from staging.config.layers import read_overrides, variable_of
from staging.config.pipeline import Pipeline

WITHHELD = "env:PENSTOCK_URL_IS_WITHHELD"
"""Stands for a URL in the environment of a job that must not have it: looking it up fails and says so."""

URLS: dict[JobName, frozenset[str]] = {
    "exporter": frozenset({"source"}),
    "processor": frozenset(),
    "loader": frozenset({"target"}),
}

_SYSTEM = (
    "PATH|HOME|USER|LOGNAME|SHELL|PWD|HOSTNAME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP|TERM|NO_COLOR|XDG_.*"
    "|LD_.*|DYLD_.*|MALLOC_.*|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|(?i:(http|https|no|all)_proxy)"
)
_RUNTIME = "VIRTUAL_ENV|PYTHON.*|COVERAGE_.*|POLARS_.*|ARROW_.*|RUST_.*|RAYON_.*|OMP_.*|OPENBLAS_.*|MKL_.*"
_OURS_AND_GOOGLES = (
    "PENSTOCK_.*|CLOUD_RUN_.*|STORAGE_EMULATOR_HOST|GOOGLE_APPLICATION_CREDENTIALS|GOOGLE_CLOUD_([A-Z_]*_)?PROJECT"
    "|GOOGLE_API_USE_[A-Z_]*|CLOUDSDK_(CONFIG|CORE_PROJECT|ACTIVE_CONFIG_NAME)|GCE_METADATA_.*|GRPC_.*|DISABLE_GCS_.*"
)
_KNOWN = re.compile(f"{_SYSTEM}|{_RUNTIME}|{_OURS_AND_GOOGLES}")
"""Variables of the system, of Python and its libraries, of Penstock, and of Google's clients, which every job uses."""

_KNOWN_TO_DATABASES = re.compile(f"{_KNOWN.pattern}|PG.*|MYSQL_.*|MARIADB_.*|KRB5.*")


def plan_environments(
    pipeline: Pipeline, environ: Mapping[str, str], overrides: Sequence[str]
) -> dict[JobName, dict[str, str]]:
    """Return the environment of each job's processes on this machine.

    `--set` becomes variables, as arguments show in the process list. A job without business with a database has
    neither its URL, or a part of it, nor the variable that `env:NAME` takes it from; nor a secret that
    `cloud.{job}.secrets` gives to another. Where a Python function is the source, any variable may be its key: so the
    others get those alone of which it is known that they are none (`_KNOWN`), their own URL's, and what
    `process.variables` names.
    """
    settings, _ = read_overrides(overrides)
    everything = dict(environ) | {variable_of(setting.path): setting.text for setting in settings}
    planned = {job: _withhold(everything, pipeline, job) for job in URLS}
    if pipeline.source.python is not None:
        for job in planned.keys() - {"exporter"}:
            planned[job] = _keep_known(planned[job], pipeline, job)
    return planned


def _keep_known(environment: Mapping[str, str], pipeline: Pipeline, job: JobName) -> dict[str, str]:
    references = {section: text for section, text in pipeline.url_references().items() if section in URLS[job]}
    own = {text.removeprefix("env:") for text in references.values()} | getattr(pipeline.cloud, job).secrets.keys()
    if job == "processor":
        own |= set(pipeline.process.variables)
    known = _KNOWN if not references else _KNOWN_TO_DATABASES
    return {name: text for name, text in environment.items() if name in own or known.fullmatch(name)}


def _secrets_of_others(pipeline: Pipeline, job: JobName) -> set[str]:
    named = {each: set(getattr(pipeline.cloud, each).secrets) for each in URLS}
    return set().union(*named.values()) - named[job] - set(pipeline.cloud.secrets)


def _withhold(environment: Mapping[str, str], pipeline: Pipeline, job: JobName) -> dict[str, str]:
    references = pipeline.url_references()
    allowed = {reference for section, reference in references.items() if section in URLS[job]}
    kept = dict(environment)
    for name in _secrets_of_others(pipeline, job):
        kept.pop(name, None)
    for section, reference in references.items():
        if section in URLS[job]:
            continue
        if reference.startswith("env:") and reference not in allowed:
            kept.pop(reference.removeprefix("env:"), None)
        kept |= {variable_of((section, part)): "" for part in PARTS} | {variable_of((section, "url")): WITHHELD}
    if (hook := str(pipeline.notify.url or "")).startswith("env:") and hook not in allowed:
        kept.pop(hook.removeprefix("env:"), None)  # no job tells anybody
    if (own := variable_of(("notify", "url"))) in kept:
        kept[own] = WITHHELD
    return kept
