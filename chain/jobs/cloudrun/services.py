"""The three services of Cloud Run that jobs need.

Google's own clients, or calls that are answered in this process: then there is no connection, and none of the client's
imports, which take longer than a small day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from google.cloud import run_v2
from google.longrunning import operations_pb2

Call = Callable[[str, bytes, float], bytes]
"""A method such as `Jobs.GetJob`, its request, seconds -> its answer; RefusedCallError where that is an error."""

_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Clients:
    """Whom to ask."""

    jobs: run_v2.JobsClient | DirectJobs
    executions: run_v2.ExecutionsClient | DirectExecutions
    tasks: run_v2.TasksClient | DirectTasks


def direct_clients(call: Call) -> Clients:
    """Return clients whose calls are answered by `call`."""
    return Clients(DirectJobs(call), DirectExecutions(call), DirectTasks(call))


@dataclass(frozen=True, slots=True)
class Started:
    """What RunJob answers at once: the execution as it begins."""

    metadata: run_v2.Execution


@dataclass(frozen=True, slots=True)
class DirectJobs:
    """As `run_v2.JobsClient`, as far as it is needed."""

    call: Call

    def get_job(self, *, name: str, timeout: float = _SECONDS) -> run_v2.Job:
        """Return the job."""
        request = run_v2.GetJobRequest(name=name)
        job: run_v2.Job = _ask(self.call, "Jobs.GetJob", request, run_v2.Job, timeout)
        return job

    def create_job(self, *, parent: str, job: run_v2.Job, job_id: str, timeout: float = _SECONDS) -> None:
        """Store a new job."""
        request = run_v2.CreateJobRequest(parent=parent, job=job, job_id=job_id)
        self.call("Jobs.CreateJob", run_v2.CreateJobRequest.serialize(request), timeout)

    def update_job(self, *, job: run_v2.Job, timeout: float = _SECONDS) -> None:
        """Replace the job's definition."""
        request = run_v2.UpdateJobRequest(job=job)
        self.call("Jobs.UpdateJob", run_v2.UpdateJobRequest.serialize(request), timeout)

    def run_job(self, *, request: run_v2.RunJobRequest, timeout: float = _SECONDS) -> Started:
        """Start an execution."""
        data = self.call("Jobs.RunJob", run_v2.RunJobRequest.serialize(request), timeout)
        operation = operations_pb2.Operation.FromString(data)
        return Started(run_v2.Execution.deserialize(operation.metadata.value))


@dataclass(frozen=True, slots=True)
class DirectExecutions:
    """As `run_v2.ExecutionsClient`, as far as it is needed."""

    call: Call

    def get_execution(self, *, name: str, timeout: float = _SECONDS) -> run_v2.Execution:
        """Return the execution."""
        request = run_v2.GetExecutionRequest(name=name)
        execution: run_v2.Execution = _ask(self.call, "Executions.GetExecution", request, run_v2.Execution, timeout)
        return execution

    def list_executions(self, *, request: run_v2.ListExecutionsRequest, timeout: float = _SECONDS) -> DirectPages:
        """Return pages of executions, newest first."""
        return DirectPages(self.call, "Executions.ListExecutions", request, run_v2.ListExecutionsResponse, timeout)

    def cancel_execution(self, *, name: str, timeout: float = _SECONDS) -> None:
        """Ask for the execution's end."""
        request = run_v2.CancelExecutionRequest(name=name)
        self.call("Executions.CancelExecution", run_v2.CancelExecutionRequest.serialize(request), timeout)


@dataclass(frozen=True, slots=True)
class DirectTasks:
    """As `run_v2.TasksClient`, as far as it is needed."""

    call: Call

    def list_tasks(self, *, request: run_v2.ListTasksRequest, timeout: float = _SECONDS) -> DirectPages:
        """Return pages of tasks."""
        return DirectPages(self.call, "Tasks.ListTasks", request, run_v2.ListTasksResponse, timeout)


@dataclass(frozen=True, slots=True)
class DirectPages:
    """As the client's pagers: all items, or page by page."""

    call: Call
    method: str
    request: Any
    response: Any
    timeout: float

    @property
    def pages(self) -> Iterator[Any]:
        """Ask for one page after the other."""
        request = type(self.request)(self.request)
        while True:
            page = _ask(self.call, self.method, request, self.response, self.timeout)
            yield page
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    def __iter__(self) -> Iterator[Any]:
        """Give the items of all pages."""
        for page in self.pages:
            yield from page.tasks if isinstance(page, run_v2.ListTasksResponse) else page.executions


def _ask(call: Call, method: str, request: Any, response: Any, timeout: float) -> Any:  # noqa: ANN401 - proto-plus is untyped
    return response.deserialize(call(method, type(request).serialize(request), timeout))
