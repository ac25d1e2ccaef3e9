"""Runs one job of a run.

It decides how many tasks the job has, starts it and waits for it.
"""

from __future__ import annotations

from dataclasses import replace

from chain.day.day_run import DayRun
from chain.day.timeline import TimelineNotes
from chain.jobs.errors import EXIT_CODES, describe_exit, raise_failure
from chain.jobs.port import ExecutionState, JobName, Overrides
from chain.jobs.settings import CONFIG_ARGUMENT
from chain.jobs.wait import wait_execution
from staging.config.pipeline import AUTO, Pipeline
from staging.documents.manifest import Manifest
from staging.documents.timeline import FailedAttempt

_WHOLE_DAY_SECONDS = 24 * 3600  # Cloud Run would allow a week; exporter and loader have time limits of their own


def plan_tasks(pipeline: Pipeline, manifest: Manifest) -> Overrides:
    """Return how the processor runs.

    If `tasks` is "auto", it has as many tasks as shards. Never more run at once than there are.
    """
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


def run_job(run: DayRun, job: JobName, run_id: str, plan: Overrides, *more: str, noted: bool = True) -> ExecutionState:
    """Run one job to its end; raise if it failed.

    An execution that is under way already is joined; the error is the job's own. `noted`: its times go into the bucket;
    those of a failed one always do.
    """
    arguments = ("--config", CONFIG_ARGUMENT, "--day", run.day.isoformat(), "--run-id", run_id, *more)
    with run.lineage.job(job, run_id), run.trace.job(job, run_id) as environment:
        wanted = replace(plan, arguments=arguments, environment={**plan.environment, **environment})
        return _run_job(run, job, run_id, wanted, noted=noted)


def _run_job(run: DayRun, job: JobName, run_id: str, wanted: Overrides, *, noted: bool) -> ExecutionState:
    started = run.jobs.start_execution(job, run_id, wanted)
    if started.continued:
        run.say(f"run {run_id}: the {job} is under way already ({started.execution}), so no second one is started")
    notes = TimelineNotes(job, run_id, run.now)

    def watch(state: ExecutionState) -> None:
        run.watch(job, state)
        for attempt in notes.see(state):
            if not state.finished:
                run.say(_describe_retry(job, attempt, state))

    state = wait_execution(run.jobs, started.execution, run.cancel, watch)
    if noted or state.failed:
        notes.write(run.store, run.names, run.say)
    raise_failure(job, state)
    return state


def _describe_retry(job: JobName, attempt: FailedAttempt, state: ExecutionState) -> str:
    """Why an attempt failed, as soon as that is seen, and that its task is tried again."""
    task = f", task {attempt.task} of {state.task_count}" if state.task_count > 1 else ""
    why, said = describe_exit(attempt.exit_code), attempt.message
    if attempt.exit_code in EXIT_CODES and said:
        why = said  # an error of ours: a process that ended otherwise leaves a last line that may mean anything
    elif said:
        why = f"{why} It said last: {said}"
    return f"{job}{task}, attempt {attempt.attempt + 1} failed: {why}"
