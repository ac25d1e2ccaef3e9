"""Plans the settings of jobs that run elsewhere.

They get the pipeline as a variable, and their passwords from Secret Manager. Everybody who may look at a job or an
execution sees its variables, so nothing secret is among them: a password that is in the pipeline file is refused here.
"""

from __future__ import annotations

import re

from chain.jobs.port import JobName
from chain.jobs.settings import URLS, VARIABLE, check_length, dump, reference_of, to_text, write_pipeline
from staging.config.database import DatabaseSection
from staging.config.pipeline import Pipeline
from staging.config.secret_url import is_elsewhere
from staging.errors import InputError

_BYTES_MAX = 32_768  # of one variable, on Cloud Run
_PASSWORD = re.compile(r"://[^/?#@:]*:[^@]*@|[?&]\w*(password|passwd|pwd|passphrase)=", re.IGNORECASE)


def plan_settings(pipeline: Pipeline, *, storage_is_local: bool) -> dict[JobName, dict[str, str]]:
    """Return each job's variables.

    InputError for what cannot work elsewhere, before anything is called. `storage_is_local`: the jobs run on this
    machine after all, beside an emulator, and may use a folder.
    """
    if not storage_is_local and not pipeline.staging.url.startswith("gs://"):
        raise InputError(
            f"The staging folder {pipeline.staging.url} can't be reached from Cloud Run.",
            why="Jobs there share a bucket and no folder.",
            fix="Set staging.url to gs://bucket/prefix.",
        )
    beside = {f"source.with.{name}.parquet": files.parquet for name, files in pipeline.source.files_beside.items()}
    of_files = {"source.parquet": pipeline.source.parquet, **beside, "target.parquet": pipeline.target.parquet}
    for key, url in of_files.items():
        if not storage_is_local and url is not None and not url.startswith("gs://"):
            raise InputError(
                f"{key} is {url}, which can't be reached from Cloud Run.",
                why="Jobs there share buckets and no folder.",
                fix=f"Set {key} to gs://bucket/….",
            )
    for section in pipeline.databases().values():
        _check_shown(section)
    return {job: {VARIABLE: _checked(write_pipeline(pipeline, job))} for job in URLS}


def plan_chain_setting(pipeline: Pipeline) -> str:
    """Return the whole pipeline as JSON.

    For a chain that runs as a job beside jobs that it never writes.
    """
    cloud = pipeline.cloud.model_copy(update={"manage_jobs": False})
    values = dump(pipeline.model_copy(update={"cloud": cloud}), {"cloud": {"images"}})
    for name, section in pipeline.databases().items():
        _check_shown(section)
        values[name] |= reference_of(section)
    if pipeline.notify.url is not None:
        values["notify"]["url"] = _shown_hook(str(pipeline.notify.url))
    return _checked(to_text(values))


def plan_secrets(pipeline: Pipeline, job: JobName) -> dict[str, str]:
    """Return the job's variables that come from Secret Manager.

    Its own, and the common ones that it needs. Those are all but the ones of another job's URL. With a Python source it
    gets only those of its own URL, as the rest belong to the function: a key of the service that it asks.
    """
    references = pipeline.url_references()
    own = {_variable(reference) for section, reference in references.items() if section in URLS[job]}
    others = {_variable(reference) for reference in references.values()} - own
    others.add(_variable(str(pipeline.notify.url or "")))  # only the chain notifies anybody
    common = {name: secret for name, secret in pipeline.cloud.secrets.items() if name not in others}
    if pipeline.source.python is not None and job != "exporter":
        common = {name: secret for name, secret in common.items() if name in own}
    own_secrets: dict[str, str] = getattr(pipeline.cloud, job).secrets
    return common | own_secrets


def plan_chain_secrets(pipeline: Pipeline) -> dict[str, str]:
    """Return the variables of the chain as a job.

    All, as `doctor` and `init` run in it, and connect to both sides.
    """
    cloud = pipeline.cloud
    others = {name: secret for job in URLS for name, secret in getattr(cloud, job).secrets.items()}
    return others | cloud.secrets | cloud.chain.secrets


def check_filled(pipeline: Pipeline, job: JobName) -> None:
    """Raise InputError where no secret fills the job's URL.

    The URL is in a variable.
    """
    references = pipeline.url_references()
    for section in sorted(URLS[job] & references.keys()):
        name, key = _variable(references[section]), pipeline.databases()[section].secret_key
        if name is not None and name not in plan_secrets(pipeline, job):
            raise InputError(
                f"Nothing on Cloud Run fills the variable {name}.",
                why=f"{section}.{key} is env:{name}, and the chain's own variables stay where the chain runs.",
                fix=f'Put it into Secret Manager and write below [cloud.secrets]: {name} = "name-of-the-secret".',
            )


def _checked(text: str) -> str:
    check_length(text, _BYTES_MAX, "Cloud Run")
    return text


def _check_shown(section: DatabaseSection) -> None:
    """Raise InputError where the file itself has the password of the database."""
    reference, key = section.url.reference, section.secret_key
    is_secret = key == "password" or _PASSWORD.search(reference)
    if reference and not is_elsewhere(reference) and is_secret:
        raise InputError(
            f"{section.section}.{key} holds a password, which everybody who may look at the jobs on Cloud Run would "
            "see.",
            why="Jobs get their settings as variables.",
            fix=f'Put it into Secret Manager, write {section.section}.{key} = "env:NAME", '
            'and below [cloud.secrets]: NAME = "name-of-the-secret".',
        )


def _shown_hook(reference: str) -> str:
    if _variable(reference) is None:
        raise InputError(
            "notify.url holds the address of a webhook, which everybody who may look at the chain's job would see.",
            why="Jobs get their settings as variables.",
            fix='Put the address into Secret Manager, write notify.url = "env:HOOK", '
            'and below [cloud.chain.secrets]: HOOK = "name-of-the-secret".',
        )
    return reference


def _variable(reference: str) -> str | None:
    return reference.removeprefix("env:") if reference.startswith("env:") else None
