"""Turns a failed execution into the job's own error.

With its exit code, and where its log lies.
"""

from __future__ import annotations

import re

from chain.jobs.port import KILLED_BY_SIGNAL, NOT_STARTED, TIMED_OUT, ExecutionState, JobName, TaskFailure
from staging.errors import (
    ExitCode,
    HeldError,
    InputError,
    IntegrityError,
    InterruptedRunError,
    PenstockError,
    UnavailableError,
    UsageError,
)

_CLASSES: dict[int, type[PenstockError]] = {
    each.exit_code: each for each in (UsageError, InputError, UnavailableError, HeldError, IntegrityError)
} | {int(ExitCode.BUG): PenstockError}
EXIT_CODES = frozenset(_CLASSES) - {int(ExitCode.BUG)}
"""The exit codes that only errors of ours have."""

_MEANINGS = {
    ExitCode.BUG: "a bug",
    ExitCode.USAGE: "usage",
    ExitCode.INPUT: "configuration or input",
    ExitCode.UNAVAILABLE: "unavailable",
    ExitCode.HELD: "held or overtaken by another run",
    ExitCode.INTEGRITY: "integrity",
}
_WORST_FIRST = [ExitCode.INTEGRITY, ExitCode.HELD, ExitCode.INPUT, ExitCode.USAGE, ExitCode.BUG, ExitCode.UNAVAILABLE]


def raise_failure(job: JobName, state: ExecutionState) -> None:
    """Do nothing for an execution whose tasks all succeeded.

    Else raise what its gravest failure says.
    """
    if state.finished and state.succeeded == state.task_count:
        return
    if not state.failures and state.failed:
        raise UnavailableError(
            f"The {job} failed: {state.failed} of {state.task_count} tasks ended badly.",
            why="The service does not say how.",
            fix=f"Look into the logs; run the same command again if it was a passing trouble.\n  log: {state.logs}",
        )
    if not state.failures:
        raise InterruptedRunError(
            f"The {job} was cancelled: {state.succeeded} of {state.task_count} tasks had ended well.",
            why=f"Somebody cancelled {state.execution}.",
            fix="Run the same command again when it suits.",
        )
    failure = min(state.failures, key=lambda each: (_rank(each.exit_code), each.task))
    raise _CLASSES.get(failure.exit_code, UnavailableError)(
        _what(job, state, failure), why=_reason(failure, "why"), fix=f"{_fix(failure)}\n  log: {failure.log}"
    )


def _rank(exit_code: int) -> int:
    return _WORST_FIRST.index(ExitCode(exit_code)) if exit_code in _CLASSES else len(_WORST_FIRST)


def _what(job: JobName, state: ExecutionState, failure: TaskFailure) -> str:
    task = f", task {failure.task} of {state.task_count}" if state.task_count > 1 else ""
    attempts = f" after {failure.attempt + 1} attempts" if failure.attempt else ""
    said = failure.message.split("\n  why: ")[0].split("\n  fix: ")[0]
    return f"{job}{task}: {said or describe_exit(failure.exit_code)}{attempts and f' ({attempts.strip()})'}"


def describe_exit(exit_code: int) -> str:
    """Return how an attempt ended that said nothing itself."""
    if exit_code == TIMED_OUT:
        return "It took longer than its timeout."
    if exit_code > KILLED_BY_SIGNAL:
        return f"It was killed by signal {exit_code - KILLED_BY_SIGNAL}."
    if exit_code == NOT_STARTED:
        return "Its process could not be started."
    meaning = f" ({_MEANINGS[ExitCode(exit_code)]})" if exit_code in _CLASSES else ""
    return f"It ended with exit code {exit_code}{meaning}; its log says more."


def _reason(failure: TaskFailure, label: str) -> str:
    match = re.search(rf"^  {label}: (.*?)(?=^  (?:why|fix): |\Z)", failure.message, re.DOTALL | re.MULTILINE)
    if match:
        return match[1].strip()
    is_said_elsewhere = not failure.message or failure.exit_code in _CLASSES
    return describe_exit(failure.exit_code) if label == "why" and not is_said_elsewhere else ""


def _fix(failure: TaskFailure) -> str:
    if fix := _reason(failure, "fix"):
        return fix
    if failure.exit_code == TIMED_OUT:
        return "Give it longer: process.timeout_seconds."
    if failure.exit_code == KILLED_BY_SIGNAL + 9:
        return (
            "If it ran out of memory: more shards, a lower process.parallelism, or more memory in [cloud]; run again."
        )
    return "Look into the log; run the same command again if it was a passing trouble."
