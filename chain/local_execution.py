"""One execution on this machine: its tasks, at most so many at once, each with its attempts."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from chain.job_log import LogTail, add_up, read_error
from chain.jobs import PERMANENT_EXIT_CODES, ExecutionState, Overrides, TaskFailure
from chain.local_attempt import LocalAttempt
from staging.errors import ExitCode
from staging.progress import ProgressLine

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 30.0


class LocalExecution:
    """Some threads that take the next task, run its attempts and count; they end when no task is left."""

    def __init__(
        self,
        *,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        overrides: Overrides,
        slots: int,
        log_folder: Path,
    ) -> None:
        self._name, self._command, self._environment = name, command, dict(environment)
        self._overrides, self._log_folder = overrides, log_folder
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._next_task = 0
        self._succeeded = self._retried = 0
        self._failures: list[TaskFailure] = []
        self._start_errors: dict[int, str] = {}
        self._cancelled = False
        self._running: dict[int, LocalAttempt | None] = {}
        self._tails: dict[int, LogTail] = {}
        self._ended_progress = ProgressLine()
        self._threads = [threading.Thread(target=self._work, name=f"{name}-{slot}") for slot in range(slots)]
        for thread in self._threads:
            thread.start()

    def state(self) -> ExecutionState:
        """Return how it is now."""
        with self._lock:
            failed, succeeded = len(self._failures), self._succeeded
            finished = not any(thread.is_alive() for thread in self._threads)
            return ExecutionState(
                execution=self._name,
                task_count=self._overrides.task_count,
                running=len(self._running),
                succeeded=succeeded,
                failed=failed,
                cancelled=self._overrides.task_count - succeeded - failed if finished else 0,
                retried=self._retried,
                finished=finished,
                failures=tuple(self._failures),
                progress=add_up([self._ended_progress, *(tail.progress() for tail in self._tails.values())]),
                logs=str(self._log_folder),
            )

    def cancel(self) -> None:
        """Stop; returns when every process has ended."""
        with self._lock:
            self._cancelled = True
            attempts = [attempt for attempt in self._running.values() if attempt is not None]
        self._stop.set()
        endings = [threading.Thread(target=attempt.cancel) for attempt in attempts]  # one grace for all, not one each
        for ending in endings:
            ending.start()
        for thread in (*endings, *self._threads):
            thread.join()

    def _work(self) -> None:
        while (task := self._take()) is not None:
            failure = self._run_task(task)
            with self._lock:
                del self._running[task]
                if (tail := self._tails.pop(task, None)) is not None:
                    self._ended_progress = add_up([self._ended_progress, tail.progress()])
                if failure is None:
                    self._succeeded += 1
                elif not self._cancelled:
                    self._failures.append(failure)
            if failure is not None:
                self._stop.set()  # the execution can't go well any more: begin nothing new, let what runs finish

    def _take(self) -> int | None:
        with self._lock:
            if self._stop.is_set() or self._next_task >= self._overrides.task_count:
                return None
            task, self._next_task = self._next_task, self._next_task + 1
            self._running[task] = None
            return task

    def _run_task(self, task: int) -> TaskFailure | None:
        """Run attempts until one ends well (None), one fails for good, or none is left."""
        pause_seconds = _FIRST_PAUSE_SECONDS
        for number in range(self._overrides.max_retries + 1):
            log = self._log_folder / f"{self._name}-task{task}-attempt{number}.log"
            code = self._run_attempt(task, number, log)
            if code == ExitCode.DONE:
                return None
            message = self._start_errors.pop(task, None) or (read_error(log) if log.exists() else "")
            failure = TaskFailure(task, number, code, message, str(log))
            if code in PERMANENT_EXIT_CODES or number == self._overrides.max_retries:
                return failure
            if self._stop.wait(pause_seconds):
                return failure
            pause_seconds = min(pause_seconds * 2, _LONGEST_PAUSE_SECONDS)
            with self._lock:
                self._retried += 1
        raise AssertionError("a task has at least one attempt")

    def _run_attempt(self, task: int, number: int, log: Path) -> int:
        environment = self._environment | {
            "CLOUD_RUN_TASK_INDEX": str(task),
            "CLOUD_RUN_TASK_COUNT": str(self._overrides.task_count),
            "CLOUD_RUN_TASK_ATTEMPT": str(number),
        }
        with self._lock:
            if self._cancelled:
                return int(ExitCode.UNAVAILABLE)
            try:
                attempt = LocalAttempt(self._command, environment, log)
            except OSError as exc:  # no memory, no process number, no space for the log
                self._start_errors[task] = f"The process could not be started: {exc.strerror or exc}"
                return int(ExitCode.UNAVAILABLE)
            self._running[task] = attempt
            self._tails[task] = LogTail(log)
        return attempt.wait(self._overrides.timeout_seconds)
