"""Reads what the API says of an execution and its tasks.

In the words of the port.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

from google.cloud import run_v2

from chain.jobs.attempt_logs import AttemptLogs
from chain.jobs.cloudrun.place import short_name
from chain.jobs.port import KILLED_BY_SIGNAL, NOT_STARTED, TIMED_OUT, ExecutionState, TaskFailure, TaskRun

_CANCELLED, _DEADLINE_EXCEEDED = 1, 4  # google.rpc.Code
_TELLS_NOTHING = "The container exited with an error."


def to_state(
    execution: run_v2.Execution, failures: Iterable[TaskFailure], logs: AttemptLogs, tasks: Iterable[TaskRun] = ()
) -> ExecutionState:
    """Return the port's state.

    Success is all tasks succeeded: a cancelled execution ends without any error.
    """
    name = short_name(execution.name)
    return ExecutionState(
        execution=name,
        task_count=execution.task_count,
        running=execution.running_count,
        succeeded=execution.succeeded_count,
        failed=execution.failed_count,
        cancelled=execution.cancelled_count,
        retried=execution.retried_count,
        finished=bool(execution.completion_time),
        failures=tuple(failures),
        progress=logs.progress(name),
        logs=logs.folder(name) or execution.log_uri,
        tasks=tuple(tasks),
    )


def to_task_run(task: run_v2.Task) -> TaskRun:
    """Return when a task ran.

    The service gives no times of single attempts.
    """
    return TaskRun(
        task=task.index,
        began_at=_instant(task.start_time),
        ended_at=_instant(task.completion_time),
        retried=task.retried,
        succeeded=bool(task.completion_time) and not _ended_badly(task),
    )


def _instant(time: datetime | None) -> datetime | None:
    """Return a plain time: the library's own kind counts nanoseconds."""
    return datetime.fromtimestamp(time.timestamp(), UTC) if time else None


def find_failures(tasks: Iterable[run_v2.Task], logs: AttemptLogs) -> list[TaskFailure]:
    """Return how each failed task's last attempt ended.

    For the first task of each exit code also what its log says: thousands may have failed for the same reason. Not for
    attempts that were ended from outside: what they wrote last says nothing of that.
    """
    failures, told = [], set()
    for task in filter(_ended_badly, tasks):
        failure = _failure(task, logs)
        if failure.exit_code not in told and not _was_ended(failure.exit_code):
            told.add(failure.exit_code)
            said = logs.error(short_name(task.execution), failure.task, failure.attempt)
            failure = replace(failure, message=said or failure.message)
        failures.append(failure)
    return failures


def _ended_badly(task: run_v2.Task) -> bool:
    result = task.last_attempt_result
    return result.status.code != _CANCELLED and bool(result.status.code or result.exit_code or result.term_signal)


def _was_ended(exit_code: int) -> bool:
    return exit_code == TIMED_OUT or exit_code > KILLED_BY_SIGNAL


def _failure(task: run_v2.Task, logs: AttemptLogs) -> TaskFailure:
    execution, attempt = short_name(task.execution), task.retried
    if not task.completion_time and attempt:
        attempt -= 1  # the next one is under way
    result = task.last_attempt_result
    exit_code = _exit_code(result)
    return TaskFailure(
        task=task.index,
        attempt=attempt,
        exit_code=exit_code,
        message=_said_of_it(result, exit_code),
        log=logs.place(execution, task.index, attempt) or task.log_uri,
    )


def _said_of_it(result: run_v2.TaskAttemptResult, exit_code: int) -> str:
    """Return the service's own words where they say more than the exit code: of a start, or of memory."""
    killed_or_never_ran = exit_code == NOT_STARTED or exit_code > KILLED_BY_SIGNAL
    return result.status.message if killed_or_never_ran and result.status.message != _TELLS_NOTHING else ""


def _exit_code(result: run_v2.TaskAttemptResult) -> int:
    """Return the process's own code, 128 + n for a signal, 124 for the timeout; a task that never ran has none."""
    if result.status.code == _DEADLINE_EXCEEDED:
        return TIMED_OUT
    if result.term_signal:
        return KILLED_BY_SIGNAL + result.term_signal
    return result.exit_code or NOT_STARTED
