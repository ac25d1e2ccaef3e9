"""One job of a run: how many tasks it has, how it is started and waited for."""

from __future__ import annotations

from dataclasses import replace

from chain.day.day_run import DayRun
from chain.jobs.errors import raise_failure
from chain.jobs.port import ExecutionState, JobName, Overrides
from chain.jobs.wait import wait_execution
from staging.config.pipeline import AUTO, Pipeline
from staging.documents.manifest import Manifest

_WHOLE_DAY_SECONDS = 24 * 3600  # Cloud Run would allow a week; exporter and loader have time limits of their own


def plan_tasks(pipeline: Pipeline, manifest: Manifest) -> Overrides:
    """Return how the processor runs: as many tasks as shards where `tasks` is "auto", never more at once than tasks."""
    process = pipeline.process
    tasks = max(1, len(manifest.shards)) if process.tasks == AUTO else process.tasks
    return Overrides(
        arguments=(),
        task_count=tasks,
        parallelism=None if process.parallelism == AUTO else min(process.parallelism, tasks),
        max_retries=process.max_retries,
        timeout_seconds=process.timeout_seconds,
    )


def single_task() -> Overrides:
    """Return how exporter and loader run."""
    return Overrides(arguments=(), max_retries=2, timeout_seconds=_WHOLE_DAY_SECONDS)


def run_job(run: DayRun, job: JobName, run_id: str, plan: Overrides, *more: str) -> ExecutionState:
    """Bring one job of a run to its end, one that is under way already included; raises what it said if it failed."""
    arguments = ("--config", run.job_config, "--day", run.day.isoformat(), "--run-id", run_id, *more)
    started = run.jobs.start_execution(job, run_id, replace(plan, arguments=arguments))
    if started.continued:
        run.say(f"run {run_id}: the {job} is under way already ({started.execution}), so no second one is started")
    state = wait_execution(run.jobs, started.execution, run.cancel, lambda state: run.watch(job, state))
    raise_failure(job, state)
    return state
