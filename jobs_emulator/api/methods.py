"""Every method of the API that is there.

Its messages, its REST route, and the function that carries it out. The routes are those of the service's HTTP
annotations (google/cloud/run/v2/*.proto, google/longrunning/operations.proto).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from jobs_emulator import protos
from jobs_emulator.api.executions import ExecutionsService, TasksService
from jobs_emulator.api.jobs import JobsService
from jobs_emulator.api.operations import OperationsService

Handler = Callable[[Any], Awaitable[Any]]

_LOCATION = "projects/*/locations/*"
_JOB = f"{_LOCATION}/jobs/*"
_EXECUTION = f"{_JOB}/executions/*"
_OPERATION = f"{_LOCATION}/operations/*"


@dataclass(frozen=True, slots=True)
class Method:
    """One method.

    `path` is below /v2/, its bound part in braces; `body` is `*`, a field's name, or empty for none.
    """

    service: str
    name: str
    request: Any
    response: Any
    verb: str
    path: str
    body: str
    handler: Handler

    @property
    def short_name(self) -> str:
        """`Jobs.RunJob`: how chaos switches and log lines call it."""
        return f"{self.service.rpartition('.')[2]}.{self.name}"


def all_methods(
    jobs: JobsService, executions: ExecutionsService, tasks: TasksService, operations: OperationsService
) -> list[Method]:
    """The whole surface, bound to the services that carry it out."""
    lro, job, empty = protos.Operation, protos.Job, protos.Empty
    listed = protos.ListJobsResponse, protos.ListExecutionsResponse, protos.ListTasksResponse
    return [
        *_methods("google.cloud.run.v2.Jobs", [
            ("CreateJob", lro, "POST", f"{{parent={_LOCATION}}}/jobs", "job", jobs.create_job),
            ("GetJob", job, "GET", f"{{name={_JOB}}}", "", jobs.get_job),
            ("ListJobs", listed[0], "GET", f"{{parent={_LOCATION}}}/jobs", "", jobs.list_jobs),
            ("UpdateJob", lro, "PATCH", f"{{job.name={_JOB}}}", "job", jobs.update_job),
            ("DeleteJob", lro, "DELETE", f"{{name={_JOB}}}", "", jobs.delete_job),
            ("RunJob", lro, "POST", f"{{name={_JOB}}}:run", "*", jobs.run_job),
        ]),
        *_methods("google.cloud.run.v2.Executions", [
            ("GetExecution", protos.Execution, "GET", f"{{name={_EXECUTION}}}", "", executions.get_execution),
            ("ListExecutions", listed[1], "GET", f"{{parent={_JOB}}}/executions", "", executions.list_executions),
            ("CancelExecution", lro, "POST", f"{{name={_EXECUTION}}}:cancel", "*", executions.cancel_execution),
            ("DeleteExecution", lro, "DELETE", f"{{name={_EXECUTION}}}", "", executions.delete_execution),
        ]),
        *_methods("google.cloud.run.v2.Tasks", [
            ("GetTask", protos.Task, "GET", f"{{name={_EXECUTION}/tasks/*}}", "", tasks.get_task),
            ("ListTasks", listed[2], "GET", f"{{parent={_EXECUTION}}}/tasks", "", tasks.list_tasks),
        ]),
        *_methods("google.longrunning.Operations", [
            ("GetOperation", lro, "GET", f"{{name={_OPERATION}}}", "", operations.get_operation),
            ("ListOperations", protos.ListOperationsResponse, "GET", f"{{name={_LOCATION}}}/operations", "",
             operations.list_operations),
            ("WaitOperation", lro, "POST", f"{{name={_OPERATION}}}:wait", "*", operations.wait_operation),
            ("DeleteOperation", empty, "DELETE", f"{{name={_OPERATION}}}", "", operations.delete_operation),
        ]),
    ]  # fmt: skip


def _methods(service: str, rows: list[tuple[str, Any, str, str, str, Handler]]) -> list[Method]:
    """Rows of name, response, verb, path, body, handler; the request is named after the method."""
    return [
        Method(service, name, getattr(protos, f"{name}Request"), response, verb, path, body, handler)
        for name, response, verb, path, body, handler in rows
    ]
