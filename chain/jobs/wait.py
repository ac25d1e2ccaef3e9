"""Looks at an execution until it is over.

A look that fails is no end: the execution goes on without being seen.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from chain.jobs.port import ExecutionState, JobsApi, TaskFailure
from staging.errors import PERMANENT_EXIT_CODES, InputError, InterruptedRunError, PenstockError, UnavailableError
from staging.process.cancel import Cancel

UNSEEN_SECONDS = 900.0
"""How long looks may fail with errors that may pass."""

REFUSED_SECONDS = 30.0
"""How long looks may be refused: rights and newly created names take a while to be known everywhere."""

_HOPELESS_TASKS = 3

Watch = Callable[[ExecutionState], None]


class UnseenError(UnavailableError):
    """The execution could not be looked at any more.

    It was not cancelled and goes on by itself.
    """


def wait_execution(jobs: JobsApi, execution: str, cancel: Cancel, watch: Watch) -> ExecutionState:
    """Look until the execution is over and return its last state.

    `watch` sees each one. An execution that can only fail is cancelled and returned as failed. When `cancel` is set, or
    anything goes wrong on this side, it is cancelled before the error leaves; but not when only looking at it fails
    (UnseenError).
    """
    began = last_seen = time.monotonic()
    try:
        while True:
            try:
                state = jobs.get_execution(execution)
            except (UnavailableError, InputError) as error:
                _check_patience(error, execution, time.monotonic() - last_seen)
            else:
                last_seen = time.monotonic()
                watch(state)
                if state.finished:
                    return state
                if is_hopeless(state):
                    jobs.cancel_execution(execution)
                    state = _given_up(state)
                    watch(state)
                    return state
            jobs.rest(execution, time.monotonic() - began, cancel)
    except UnseenError:
        raise
    except BaseException as error:
        _cancel(jobs, execution, error)
        raise


def is_hopeless(state: ExecutionState) -> bool:
    """Return whether no further attempt can help.

    The first tasks all failed in a way that no further attempt would change, and none ended well. A single task decides
    alone. Of many, one may fail for a reason of its own, and the others' work is kept.
    """
    return state.succeeded == 0 and len(_permanent(state)) >= min(state.task_count, _HOPELESS_TASKS)


def _permanent(state: ExecutionState) -> tuple[TaskFailure, ...]:
    return tuple(failure for failure in state.failures if failure.exit_code in PERMANENT_EXIT_CODES)


def _given_up(state: ExecutionState) -> ExecutionState:
    """Return its end: those tasks failed for good, even if further attempts were under way."""
    failures = _permanent(state)
    left = state.task_count - len(failures)
    return replace(state, finished=True, running=0, failed=len(failures), cancelled=left, failures=failures)


def _check_patience(error: PenstockError, execution: str, unseen_seconds: float) -> None:
    if isinstance(error, InterruptedRunError):
        raise error
    if unseen_seconds > (UNSEEN_SECONDS if isinstance(error, UnavailableError) else REFUSED_SECONDS):
        raise UnseenError(
            f"The execution {execution} could not be looked at for {unseen_seconds:.0f} s.",
            why=" ".join(text for text in (error.what, error.why) if text),
            fix=f"It goes on by itself; the same command continues it. {error.fix}",
        ) from error


def _cancel(jobs: JobsApi, execution: str, error: BaseException) -> None:
    try:
        jobs.cancel_execution(execution)
    except PenstockError as failed:
        raise InterruptedRunError(
            f"Stopped, but the execution {execution} could not be cancelled.",
            why=" ".join(text for text in (failed.what, failed.why) if text),
            fix=f"It may go on; stop it with `gcloud run jobs executions cancel {execution}`, "
            "or run the same command again to continue it.",
        ) from error
