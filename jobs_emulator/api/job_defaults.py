"""Fills in what the caller of a job left out.

As the API writes it back into the job. Zero means "default" for every field without presence (task count 0 is 1,
timeout 0 is 600 s); max_retries has presence, so an explicit 0 stays 0. Parallelism 0 stays 0: it means as many tasks
at once as there may be.
"""

from __future__ import annotations

from jobs_emulator.protos import ExecutionEnvironment, JobMessage, LaunchStage

TASK_COUNT = 1
MAX_RETRIES = 3
TIMEOUT_SECONDS = 600
CPU = "1000m"
MEMORY = "512Mi"


def write_defaults(job: JobMessage) -> None:
    """Fills `job` in place."""
    if not job.launch_stage:
        job.launch_stage = LaunchStage.Value("GA")
    execution = job.template
    execution.task_count = execution.task_count or TASK_COUNT
    task = execution.template
    if not task.HasField("max_retries"):
        task.max_retries = MAX_RETRIES
    if not (task.timeout.seconds or task.timeout.nanos):
        task.timeout.seconds = TIMEOUT_SECONDS
    task.execution_environment = task.execution_environment or int(ExecutionEnvironment.EXECUTION_ENVIRONMENT_GEN2)
    for container in task.containers:
        limits = container.resources.limits
        limits["cpu"] = limits.get("cpu") or CPU
        limits["memory"] = limits.get("memory") or MEMORY
