"""Makes a job what the pipeline file says.

It creates it, updates it where it differs, or leaves it alone. Several chains may do so at once. A create that meets
another's job looks again; an update carries the etag of what was looked at, and looks again where somebody was faster.
"""

from __future__ import annotations

import time

from google.cloud import run_v2

from chain.jobs.cloudrun.answers import CONFLICT, NOT_FOUND
from chain.jobs.cloudrun.definition import PIPELINE_LABEL, WantedJob, define
from chain.jobs.cloudrun.errors import call_errors, code_of, is_transient, translate
from chain.jobs.cloudrun.place import Place, short_name
from chain.jobs.cloudrun.retry import CALL_SECONDS, ask, new_patience, persist
from chain.jobs.cloudrun.services import Clients
from chain.jobs.port import JobName, Overrides
from staging.errors import InputError, PenstockError, UnavailableError
from staging.process.cancel import Cancel

_READY_SECONDS = 300.0
_READY_POLL_SECONDS = 0.5


class JobDeployer:
    """Makes sure that jobs exist and are as they should be."""

    def __init__(self, clients: Clients, place: Place, cancel: Cancel) -> None:
        self._jobs = clients.jobs
        self._place = place
        self._cancel = cancel

    def ensure(self, job_id: str, wanted: WantedJob) -> run_v2.Job:
        """Return the job once it is stored as wanted and ready.

        InputError where the service refuses it.
        """
        patience = new_patience(self._place, self._cancel)
        while True:
            stored = self._find(job_id)
            if stored is not None:
                self._check_owner(stored, wanted)
            definition = define(wanted, stored)
            if stored is not None and definition == stored and not _is_broken(stored):
                return self._wait_ready(stored, wanted)
            failure = self._write(job_id, definition, exists=stored is not None)
            if failure is None and (written := self._find(job_id)) is not None:
                return self._wait_ready(written, wanted)
            if not patience.back_off():
                raise self._give_up(job_id, failure) from failure

    def check_deployed(self, job_id: str, job: JobName, overrides: Overrides) -> run_v2.Job:
        """Return a job that somebody else deploys.

        InputError where it is missing or can't run as the file says.
        """
        stored = self._find(job_id)
        if stored is None:
            raise InputError(
                f"There is no job {job_id} ({self._place}).",
                why=f"cloud.images.{job} is not set, or cloud.manage_jobs is false: the chain runs what was deployed.",
                fix=f"Deploy it, set cloud.images.{job} and the chain creates it, or name your own: cloud.{job}.job.",
            )
        at_once = min(stored.template.parallelism or overrides.task_count, overrides.task_count)
        if overrides.parallelism is not None and at_once != overrides.parallelism:
            raise InputError(
                f"The job {job_id} runs {stored.template.parallelism or 'any number of'} tasks at once, "
                f"not {overrides.parallelism} ({self._place}).",
                why="Cloud Run takes parallelism from the job alone, and this job is deployed by somebody else.",
                fix=f"Deploy it with --parallelism={overrides.parallelism}, or set cloud.images.{job}, "
                'or process.parallelism = "auto".',
            )
        return stored

    def _find(self, job_id: str) -> run_v2.Job | None:
        name = self._place.job(job_id)
        try:
            return persist(
                lambda: self._jobs.get_job(name=name, timeout=CALL_SECONDS), new_patience(self._place, self._cancel)
            )
        except call_errors() as error:
            if code_of(error) == NOT_FOUND:
                return None
            raise translate(error, self._place, f"look at the job {job_id}") from error

    def _write(self, job_id: str, definition: run_v2.Job, *, exists: bool) -> Exception | None:
        """Create or update; returns an error that may pass: somebody else was faster, or the outcome is unknown."""
        try:
            if exists:
                self._jobs.update_job(job=definition, timeout=CALL_SECONDS)
            else:
                self._jobs.create_job(parent=self._place.parent, job=definition, job_id=job_id, timeout=CALL_SECONDS)
        except call_errors() as error:
            if is_transient(error) or code_of(error) in (CONFLICT, NOT_FOUND if exists else CONFLICT):
                return error
            raise translate(error, self._place, f"write the job {job_id}") from error
        return None

    def _give_up(self, job_id: str, failure: Exception | None) -> PenstockError:
        if failure is not None and is_transient(failure):
            return translate(failure, self._place, f"write the job {job_id}")
        return UnavailableError(
            f"The job {job_id} changes faster than it can be written ({self._place}).",
            why="Several chains with different pipeline files write it, or somebody deletes it.",
            fix="Leave one of them running, or give each its own job: cloud.….job.",
        )

    def _check_owner(self, stored: run_v2.Job, wanted: WantedJob) -> None:
        """Refuse to write over a job of another pipeline, or one that Penstock did not make."""
        owner, ours = stored.labels.get(PIPELINE_LABEL), wanted.labels[PIPELINE_LABEL]
        if owner == ours:
            return
        name = short_name(stored.name)
        raise InputError(
            f"The job {name} belongs to {f'the pipeline {owner}' if owner else 'somebody else'} ({self._place}).",
            why=f"It does not carry the label {PIPELINE_LABEL}={ours}, so this pipeline does not write over it.",
            fix=f"Choose another id (cloud.….job), or give it away: "
            f"gcloud run jobs update {name} --update-labels={PIPELINE_LABEL}={ours}",
        )

    def _wait_ready(self, job: run_v2.Job, wanted: WantedJob) -> run_v2.Job:
        """Wait until the service has taken the definition in: image and service account are looked up then."""
        deadline = time.monotonic() + _READY_SECONDS
        while _is_settling(job) and time.monotonic() < deadline:
            self._cancel.wait(_READY_POLL_SECONDS)
            name = job.name
            job = ask(
                lambda: self._jobs.get_job(name=name, timeout=CALL_SECONDS),  # noqa: B023 - called at once
                new_patience(self._place, self._cancel),
                self._place,
                f"look at the job {short_name(name)}",
            )
        if _is_broken(job):
            raise InputError(
                f"Cloud Run does not take the job {short_name(job.name)} ({self._place}).",
                why=job.terminal_condition.message or str(job.terminal_condition.reason),
                fix=f"Correct its image ({wanted.image}), service account, network or secrets in [cloud].",
            )
        if _is_settling(job):
            raise UnavailableError(
                f"The job {short_name(job.name)} is not ready after {_READY_SECONDS:.0f} s ({self._place}).",
                why="Cloud Run is still taking its definition in.",
                fix="Try again; the console shows the job's state.",
            )
        return job


def _is_settling(job: run_v2.Job) -> bool:
    return job.reconciling or job.observed_generation < job.generation


def _is_broken(job: run_v2.Job) -> bool:
    return not _is_settling(job) and job.terminal_condition.state == run_v2.Condition.State.CONDITION_FAILED
