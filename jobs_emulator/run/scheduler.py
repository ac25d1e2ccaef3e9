"""Runs executions on a fixed number of slots.

In turn between executions, never more of one than its parallelism.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
from collections import deque
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from jobs_emulator.chaos import Chaos
from jobs_emulator.clock import Clock
from jobs_emulator.logs.entries import EntrySink, LogOrigin
from jobs_emulator.names import ExecutionName
from jobs_emulator.records import AttemptRecord, ExecutionRecord
from jobs_emulator.run.attempt import Attempt
from jobs_emulator.run.attempt_log import AttemptLog
from jobs_emulator.run.command import Command, task_variables
from jobs_emulator.run.execution_run import ExecutionRun
from jobs_emulator.run.leftovers import kill_leftovers
from jobs_emulator.run.spawn import Spawn

MEMORY_CHECK_SECONDS = 0.25
STARTS_PER_TURN = 4
"""Tasks begun before the loop looks at the network again."""

Change = Callable[[ExecutionRecord, int | None], None]
"""Called with every change: the execution, and the index of the task that changed with it."""


class Scheduler:
    """Owner of all running attempts; lives in one event loop.

    `folder` gets `tmp/`, `logs_folder` the attempts' logs. `before_start` is called between noting that attempts start
    and starting them: its records are never behind.
    """

    def __init__(
        self,
        *,
        slots: int,
        grace_seconds: float,
        folder: Path,
        logs_folder: Path,
        chaos: Chaos,
        clock: Clock,
        entries: EntrySink | None,
        on_change: Change,
        before_start: Callable[[], None],
        spawn: Spawn,
    ) -> None:
        self._spawn = spawn
        self._free_slots = slots
        self._grace_seconds = grace_seconds
        self.temporary_folder = folder / "tmp"
        self.logs_folder = logs_folder
        self._chaos = chaos
        self._clock = clock
        self._entries = entries
        self._on_change = on_change
        self._before_start = before_start
        self._waiting: deque[ExecutionRun] = deque()
        self._runs: dict[ExecutionName, ExecutionRun] = {}
        self._attempts: set[Attempt] = set()
        self._background: set[asyncio.Task[None]] = set()
        self._watchdog: asyncio.Task[None] | None = None
        self._turn_is_due = False
        self._stopping = asyncio.Event()

    def submit(self, record: ExecutionRecord, command: Command) -> None:
        """Takes an execution.

        It starts when slots are free (or later, or never, as chaos decides).
        """
        run = ExecutionRun(record, command, self._grace_seconds, self._clock)
        self._runs[record.name] = run
        self._finish_if_over(run)  # a restart may have come between the last task and the end
        if record.is_finished:
            return
        if self._chaos.settings.never_start:
            return
        delay_seconds = self._chaos.settings.start_delay_seconds
        if delay_seconds:
            asyncio.get_running_loop().call_later(delay_seconds, self._admit, run)
        else:
            self._admit(run)

    def cancel(self, record: ExecutionRecord) -> None:
        """Cancels an execution: what waits never starts, what runs is stopped."""
        run = self._runs.get(record.name)
        if run is None or record.cancel_requested:
            return
        run.cancel()
        self._on_change(record, None)
        self._finish_if_over(run)

    async def stop(self) -> None:
        """Stops everything at once.

        Attempts are lost, as when the machine goes down.
        """
        self._stopping.set()
        self._waiting.clear()
        for attempt in list(self._attempts):
            attempt.kill(signal.SIGKILL)
        if self._watchdog is not None:
            self._watchdog.cancel()
        while self._background:
            await asyncio.wait(set(self._background))
        await asyncio.to_thread(_clean_up, self.temporary_folder)

    def _admit(self, run: ExecutionRun) -> None:
        if not run.record.is_finished and not self._stopping.is_set():
            self._waiting.append(run)
            self._plan_turn()

    def _plan_turn(self) -> None:
        if not self._turn_is_due:
            self._turn_is_due = True
            asyncio.get_running_loop().call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._turn_is_due = False
        for _ in range(STARTS_PER_TURN):
            run = self._next_ready_run() if self._free_slots > 0 and not self._stopping.is_set() else None
            if run is None:
                break
            self._start_task(run, run.take_task())
        else:
            self._plan_turn()
        self._before_start()

    def _next_ready_run(self) -> ExecutionRun | None:
        for _ in range(len(self._waiting)):
            run = self._waiting[0]
            self._waiting.rotate(-1)
            if run.has_ready_task:
                return run
        return None

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _start_task(self, run: ExecutionRun, index: int) -> None:
        """Books the slot and the attempt at once, so that at no moment the task neither waits nor runs."""
        self._free_slots -= 1
        number = len(run.record.tasks[index].attempts) if index in run.record.tasks else 0
        attempt = self._make_attempt(run, index, number, "")
        run.begin(index, attempt)
        self._on_change(run.record, index)
        self._keep(self._run_task(run, index, number, attempt))

    async def _run_task(self, run: ExecutionRun, index: int, number: int, attempt: Attempt) -> None:
        """One attempt from start to what it means."""
        if self._stopping.is_set():
            return
        ended = await self._run_attempt(run, index, number, attempt)
        if self._chaos.settings.report_late_seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._chaos.settings.report_late_seconds)
        if self._stopping.is_set():
            return  # the record still says running: after a restart it is found lost
        run.end(index, ended)
        self._on_change(run.record, index)
        self._free_slots += 1
        self._finish_if_over(run)
        self._plan_turn()

    async def _run_attempt(self, run: ExecutionRun, index: int, number: int, attempt: Attempt) -> AttemptRecord:
        loop = asyncio.get_running_loop()
        kills = [
            loop.call_later(kill.after_seconds, attempt.kill, signal.Signals(kill.signal))
            for kill in self._chaos.kills(index, number)
        ]
        if self._chaos.starts_twice(index):
            self._keep(self._run_twin(self._make_attempt(run, index, number, "-twin")))
        self._attempts.add(attempt)
        self._watchdog = self._watchdog or loop.create_task(self._watch_memory())
        ended = await attempt.run()
        self._attempts.discard(attempt)
        for kill in kills:
            kill.cancel()
        return ended

    async def _run_twin(self, twin: Attempt) -> None:
        """Chaos: the same attempt once more, beside the first; its end has no effect."""
        self._attempts.add(twin)
        await twin.run()
        self._attempts.discard(twin)

    def _make_attempt(self, run: ExecutionRun, index: int, number: int, suffix: str) -> Attempt:
        name = run.record.name
        return Attempt(
            run.command,
            task_variables(name, index, run.task_count, number),
            limits=run.limits,
            temporary=f"{self.temporary_folder}/{name.execution}{suffix}/task{index}-attempt{number}",
            log=AttemptLog(self.logs_folder, LogOrigin(name, index, number), self._entries, self._clock),
            clock=self._clock,
            spawn=self._spawn,
        )

    def _finish_if_over(self, run: ExecutionRun) -> None:
        if not run.is_over or run.record.is_finished:
            return
        run.finish()
        del self._runs[run.record.name]
        if run in self._waiting:
            self._waiting.remove(run)
        self._on_change(run.record, None)
        self._keep(asyncio.to_thread(_clean_up, self.temporary_folder / run.record.name.execution))

    async def _watch_memory(self) -> None:
        while self._attempts:
            await asyncio.sleep(MEMORY_CHECK_SECONDS)
            for attempt in list(self._attempts):
                attempt.check_memory()
        self._watchdog = None


def _clean_up(folder: Path) -> None:
    """Ends what tasks left running outside their groups, and removes their folders."""
    kill_leftovers(folder)
    shutil.rmtree(folder, ignore_errors=True)
