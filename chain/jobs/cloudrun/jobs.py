"""`JobsApi` over Google's own client.

The same code against Cloud Run and against an emulator of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from google.cloud import run_v2

from chain.jobs.attempt_logs import AttemptLogs, LogsElsewhere
from chain.jobs.cloudrun.answers import BAD_REQUEST, NOT_FOUND
from chain.jobs.cloudrun.definition import WantedJob, plan_job
from chain.jobs.cloudrun.deploy import JobDeployer
from chain.jobs.cloudrun.errors import call_errors, code_of, translate
from chain.jobs.cloudrun.mark import new_mark
from chain.jobs.cloudrun.place import Place, plan_job_id, short_name
from chain.jobs.cloudrun.retry import CALL_SECONDS, Patience, persist
from chain.jobs.cloudrun.services import Call, Clients, direct_clients
from chain.jobs.cloudrun.start import ExecutionStarter
from chain.jobs.cloudrun.state import find_failures, to_state, to_task_run
from chain.jobs.port import ExecutionState, JobName, Overrides, StartedExecution, TaskFailure
from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.process.cancel import Cancel

_CANCEL_PATIENCE_SECONDS = 3.0
_CANCEL_WAIT_SECONDS = 3.5
_CANCEL_POLL_SECONDS = 0.1
_TASKS_PAGE_SIZE = 500


@dataclass(frozen=True, slots=True)
class Polling:
    """How often an execution is looked at.

    Looks follow each other after a tenth of the time that went by, but within these bounds.
    """

    shortest_seconds: float = 0.1
    longest_seconds: float = 5.0

    def after(self, elapsed_seconds: float) -> float:
        """Return how long to wait until the next look."""
        return min(self.longest_seconds, max(self.shortest_seconds, elapsed_seconds / 10))


def _nothing(job: JobName, overrides: Overrides) -> Mapping[str, str]:  # noqa: ARG001 - the shape of `environment_of`
    return {}


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What the jobs get from their starter, besides the definition.

    `secrets`: for each job its variables and what of Secret Manager they hold. `environment_of`: variables of one
    execution. `logs`: how to see what attempts write. `await_end`: waits for the end of an execution, at most so long;
    False where it can't. It is given where jobs run in this process, and nobody else can start or define any.
    """

    secrets: Mapping[JobName, Mapping[str, str]] = field(default_factory=dict)
    environment_of: Callable[[JobName, Overrides], Mapping[str, str]] = _nothing
    logs: AttemptLogs = field(default_factory=LogsElsewhere)
    polling: Polling = Polling()
    await_end: Callable[[str, float], bool] | None = None


@contextmanager
def open_cloud_run_jobs(
    pipeline: Pipeline, place: Place, cancel: Cancel, settings: JobSettings
) -> Iterator[CloudRunJobs]:
    """Yield the jobs of the pipeline in that place.

    InputError where there are no credentials.
    """
    from chain.jobs.cloudrun.clients import open_clients  # noqa: PLC0415 - a second, only where somebody is connected to

    with open_clients(pipeline.cloud, place) as clients:
        yield CloudRunJobs(pipeline, clients, place, cancel, settings)


def direct_jobs(pipeline: Pipeline, call: Call, place: Place, cancel: Cancel, settings: JobSettings) -> CloudRunJobs:
    """Return the jobs of the pipeline, asked in this process."""
    return CloudRunJobs(pipeline, direct_clients(call), place, cancel, settings)


class CloudRunJobs:
    """See `JobsApi`. Executions go by their short names."""

    def __init__(
        self, pipeline: Pipeline, clients: Clients, place: Place, cancel: Cancel, settings: JobSettings
    ) -> None:
        self._pipeline = pipeline
        self._clients = clients
        self._place = place
        self._settings = settings
        self._deployer = JobDeployer(clients, place, cancel)
        self._starter = ExecutionStarter(clients, place, cancel, self._cancel, alone=settings.await_end is not None)
        self._names: dict[str, str] = {}
        self._known_failures: dict[str, tuple[int, tuple[TaskFailure, ...]]] = {}
        self._deployed: dict[str, tuple[WantedJob, run_v2.Job]] = {}

    def start_execution(self, job: JobName, run_id: str, overrides: Overrides) -> StartedExecution:
        """Start an execution; see `JobsApi`.

        Before, the job is created, or updated where it differs from the pipeline file.
        """
        environment = dict(overrides.environment) | dict(self._settings.environment_of(job, overrides))
        overrides = replace(overrides, environment=environment, timeout_seconds=self._timeout_seconds(job, overrides))
        stored = self._deploy(job, overrides)
        name, continued = self._starter.start_once(stored, new_mark(run_id, job), overrides)
        return StartedExecution(self._remember(name), continued)

    def find_execution(self, job: JobName, run_id: str) -> str | None:
        """See `JobsApi`."""
        name = self._place.job(self._job_id(job))
        try:
            found = self._starter.find_all(name, new_mark(run_id, job))
        except InputError as error:
            if isinstance(error.__cause__, call_errors()) and code_of(error.__cause__) == NOT_FOUND:
                return None
            raise
        return self._remember(found[0].name) if found else None

    def get_execution(self, execution: str) -> ExecutionState:
        """Look at an execution once; see `JobsApi`.

        The caller decides how often to try.
        """
        try:
            current = self._get(self._names[execution])
            tasks = self._list_tasks(current, whole=True) if current.completion_time else []
            failures = self._failures(current, tasks)
            return to_state(current, failures, self._settings.logs, map(to_task_run, tasks))
        except call_errors() as error:
            raise translate(error, self._place, f"look at the execution {execution}") from error

    def cancel_execution(self, execution: str) -> None:
        """Cancel an execution; see `JobsApi`.

        Waits some seconds for its end; Cloud Run gives tasks ten to end by themselves.
        """
        name = self._names[execution]
        self._cancel(name)
        deadline = time.monotonic() + _CANCEL_WAIT_SECONDS
        while time.monotonic() < deadline and not self._is_over(name):
            time.sleep(_CANCEL_POLL_SECONDS)

    def rest(self, execution: str, elapsed_seconds: float, cancel: Cancel) -> None:
        """See `JobsApi`."""
        seconds, await_end = self._settings.polling.after(elapsed_seconds), self._settings.await_end
        if await_end is None or not await_end(self._names[execution], seconds):
            cancel.wait(seconds)
        cancel.check()

    def _deploy(self, job: JobName, overrides: Overrides) -> run_v2.Job:
        job_id, image = self._job_id(job), getattr(self._pipeline.cloud.images, job)
        if image is None or not self._pipeline.cloud.manage_jobs:
            return self._deployer.check_deployed(job_id, job, overrides)
        secrets = self._settings.secrets.get(job, {})
        wanted = plan_job(self._pipeline, job, image, overrides, secrets)
        known = self._deployed.get(job_id)
        if self._settings.await_end is None or known is None or known[0] != wanted:
            known = self._deployed[job_id] = wanted, self._deployer.ensure(job_id, wanted)
        return known[1]

    def _job_id(self, job: JobName) -> str:
        chosen: str | None = getattr(self._pipeline.cloud, job).job
        return chosen or plan_job_id(self._pipeline.name, job)

    def _timeout_seconds(self, job: JobName, overrides: Overrides) -> int:
        single = {"exporter": self._pipeline.cloud.exporter, "loader": self._pipeline.cloud.loader}.get(job)
        return (single and single.timeout_seconds) or overrides.timeout_seconds

    def _remember(self, name: str) -> str:
        self._names[short_name(name)] = name
        return short_name(name)

    def _get(self, name: str) -> run_v2.Execution:
        return self._clients.executions.get_execution(name=name, timeout=CALL_SECONDS)

    def _is_over(self, name: str) -> bool:
        try:
            return bool(self._get(name).completion_time)
        except call_errors():
            return False  # it was asked to end; nothing depends on seeing that

    def _failures(self, execution: run_v2.Execution, ended: Sequence[run_v2.Task]) -> Sequence[TaskFailure]:
        """Those of all tasks once it is over; before, of the first tasks, read again after each failed attempt."""
        if execution.completion_time:
            return find_failures(ended, self._settings.logs) if execution.failed_count else []
        troubled = execution.failed_count + execution.retried_count
        known = self._known_failures.get(execution.name, (0, ()))
        if troubled > known[0]:
            known = troubled, tuple(find_failures(self._list_tasks(execution, whole=False), self._settings.logs))
            self._known_failures[execution.name] = known
        return known[1]

    def _list_tasks(self, execution: run_v2.Execution, *, whole: bool) -> list[run_v2.Task]:
        request = run_v2.ListTasksRequest(parent=execution.name, page_size=_TASKS_PAGE_SIZE)
        pager = self._clients.tasks.list_tasks(request=request, timeout=CALL_SECONDS)
        return list(pager) if whole else list(next(iter(pager.pages)).tasks)

    def _cancel(self, name: str) -> None:
        """Ask for its end; nothing happens when it is over, or gone."""
        patience = Patience(Cancel(), _CANCEL_PATIENCE_SECONDS)  # the run's own flag is set already
        try:
            persist(lambda: self._clients.executions.cancel_execution(name=name, timeout=CALL_SECONDS), patience)
        except call_errors() as error:
            over = code_of(error) == NOT_FOUND or (code_of(error) == BAD_REQUEST and self._is_over(name))
            if not over:
                raise translate(error, self._place, f"cancel the execution {short_name(name)}") from error
