"""Google's client on an emulator, in few words: create a job, run it, see how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from google.api_core import exceptions
from google.api_core.operation import Operation
from google.api_core.retry import Retry
from google.cloud import run_v2

import jobs_emulator

PARENT = "projects/acme/locations/europe-west1"
IMAGES: dict[str, Any] = {"sh": ["/bin/sh", "-c"], "true": ["/bin/true"], "gone": ["/no/such/program"]}
PATIENCE_SECONDS = 30.0
SOON = Retry(predicate=lambda _: True, initial=0.02, maximum=0.1, timeout=PATIENCE_SECONDS)


class Cloud:
    """The three clients of one emulator."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.jobs = jobs_emulator.jobs_client(address)
        self.executions = jobs_emulator.executions_client(address)
        self.tasks = jobs_emulator.tasks_client(address)

    def close(self) -> None:
        self.jobs.transport.close()
        self.executions.transport.close()
        self.tasks.transport.close()

    def create(
        self, job_id: str, script: str = "", *, task_count: int = 1, parallelism: int = 0, **task: Any
    ) -> run_v2.Job:
        """A job that runs a shell script, or nothing."""
        container = task.pop("container", None) or ({"image": "sh", "args": [script]} if script else {"image": "true"})
        template = {"containers": [container], "max_retries": 0, **task}
        job = run_v2.Job(template={"task_count": task_count, "parallelism": parallelism, "template": template})
        created: run_v2.Job = self.jobs.create_job(parent=PARENT, job_id=job_id, job=job).result(polling=SOON)
        return created

    def run(self, job_id: str, **overrides: Any) -> Operation:
        return self.jobs.run_job(request={"name": f"{PARENT}/jobs/{job_id}", "overrides": overrides})

    def finish(self, operation: Operation) -> run_v2.Execution:
        """The execution once it is over, however it ended."""
        with suppress(exceptions.GoogleAPICallError):
            operation.result(polling=SOON)
        return self.execution(operation)

    def execution(self, operation: Operation) -> run_v2.Execution:
        return self.executions.get_execution(name=operation.metadata.name)

    def tasks_of(self, execution: run_v2.Execution) -> list[run_v2.Task]:
        return list(self.tasks.list_tasks(parent=execution.name))


@contextmanager
def cloud(images: dict[str, Any] | None = None, **options: Any) -> Iterator[Cloud]:
    """An emulator in this process, and clients of it."""
    with jobs_emulator.start({**IMAGES, **(images or {})}, **{"grace_seconds": 0.5, **options}) as emulator:
        clients = Cloud(emulator.address)
        try:
            yield clients
        finally:
            clients.close()


def condition(message: run_v2.Execution | run_v2.Task, kind: str) -> run_v2.Condition:
    """The one condition of that type."""
    [found] = [c for c in message.conditions if c.type_ == kind]
    return found


def wait_until(holds: Callable[[], Any], what: str) -> Any:
    """What `holds` returns, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (value := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_SECONDS} s: {what}"
        time.sleep(0.02)
    return value
