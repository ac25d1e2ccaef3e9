"""Plans the environment of jobs on this machine.

A job gets the pipeline as one variable, and the chain's own variables without secrets that it does not need.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from chain.jobs.port import JobName
from chain.jobs.settings import FILE_VARIABLE, URLS, VARIABLE, check_length, write_pipeline
from staging.config.layers import is_setting
from staging.config.pipeline import Pipeline

_BYTES_MAX = 128 * 1024 - 1
"""Of one variable with its name, on Linux: MAX_ARG_STRLEN, with the end of the text."""

_SYSTEM = (
    "PATH|HOME|USER|LOGNAME|SHELL|PWD|HOSTNAME|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP|TERM|NO_COLOR|XDG_.*"
    "|LD_.*|DYLD_.*|MALLOC_.*|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|(?i:(http|https|no|all)_proxy)"
)
_RUNTIME = "VIRTUAL_ENV|PYTHON.*|COVERAGE_.*|POLARS_.*|ARROW_.*|RUST_.*|RAYON_.*|OMP_.*|OPENBLAS_.*|MKL_.*"
_OURS_AND_GOOGLES = (
    "PENSTOCK_.*|CLOUD_RUN_.*|STORAGE_EMULATOR_HOST|GOOGLE_APPLICATION_CREDENTIALS|GOOGLE_CLOUD_([A-Z_]*_)?PROJECT"
    "|OTEL_.*|TRACEPARENT|TRACESTATE|GOOGLE_API_USE_[A-Z_]*|CLOUDSDK_(CONFIG|CORE_PROJECT|ACTIVE_CONFIG_NAME)|GCE_METADATA_.*|GRPC_.*|DISABLE_GCS_.*"
)
_KNOWN = re.compile(f"{_SYSTEM}|{_RUNTIME}|{_OURS_AND_GOOGLES}")
"""Variables of the system, of Python and its libraries, of Penstock, and of Google's clients, which every job uses."""

_KNOWN_TO_DATABASES = re.compile(f"{_KNOWN.pattern}|PG.*|MYSQL_.*|MARIADB_.*|KRB5.*")


def plan_environments(pipeline: Pipeline, environ: Mapping[str, str], config: Path) -> dict[JobName, dict[str, str]]:
    """Return the environment of each job's processes on this machine.

    All settings are in the pipeline: `config`, where it was read, is not read again, and no variable sets a key once
    more. A job that does not use a database lacks the variable that `env:NAME` takes its URL from, and a secret that
    `cloud.{job}.secrets` gives to another. Where a Python function is the source, any variable may be its key: so the
    others get only variables known to be none (`_KNOWN`), their own URL's, and what `process.variables` names.
    InputError where the pipeline is too long for a process.
    """
    planned = {job: _withhold(environ, pipeline, job) for job in URLS}
    if pipeline.source.python is not None:
        for job in planned.keys() - {"exporter"}:
            planned[job] = _keep_known(planned[job], pipeline, job)
    file = str(config.absolute())
    return {job: kept | {VARIABLE: _write(pipeline, job), FILE_VARIABLE: file} for job, kept in planned.items()}


def _write(pipeline: Pipeline, job: JobName) -> str:
    text = write_pipeline(pipeline, job)
    check_length(f"{VARIABLE}={text}", _BYTES_MAX, "a job")
    return text


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
    own = {text for section, text in references.items() if section in URLS[job]}
    others = {text for text in (*references.values(), str(pipeline.notify.url or "")) if text.startswith("env:")} - own
    withheld = _secrets_of_others(pipeline, job) | {text.removeprefix("env:") for text in others}
    withheld |= {name for name in environment if is_setting(name) and f"env:{name}" not in own}
    return {name: text for name, text in environment.items() if name not in withheld}
