"""One attempt of a task.

A process under a timeout and a memory limit, which may be cancelled. Stopping is SIGTERM to the whole group, a grace,
SIGKILL; for memory SIGKILL at once. The folder in TMPDIR is the attempt's own and empty; what it left there is removed
at once, an empty folder with the execution's own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from dataclasses import dataclass

from jobs_emulator.clock import Clock
from jobs_emulator.records import AttemptRecord, End
from jobs_emulator.run.attempt_log import AttemptLog
from jobs_emulator.run.command import Command
from jobs_emulator.run.memory import used_memory_bytes
from jobs_emulator.run.process import TaskProcess, start_process
from jobs_emulator.run.spawn import Spawn
from jobs_emulator.unknowns import OUT_OF_MEMORY_MESSAGE


@dataclass(frozen=True, slots=True)
class Limits:
    """What an attempt may use; `grace_seconds` is from SIGTERM to SIGKILL."""

    timeout_seconds: float
    memory_bytes: int
    grace_seconds: float


class Attempt:
    """Runs a command once and says how it ended, in `record`."""

    def __init__(
        self,
        command: Command,
        variables: dict[str, str],
        *,
        limits: Limits,
        temporary: str,
        log: AttemptLog,
        clock: Clock,
        spawn: Spawn,
    ) -> None:
        self._spawn = spawn
        self._command = command
        self._variables = variables
        self._limits = limits
        self._temporary = temporary
        self._log = log
        self._clock = clock
        self._process: TaskProcess | None = None
        self._stopped_by: End | None = None
        self._kill_timer: asyncio.TimerHandle | None = None
        self._due_signals: list[signal.Signals] = []
        self.record = AttemptRecord(started_at=clock())

    async def run(self) -> AttemptRecord:
        """Starts the process and waits for its end.

        Never raises for what the process does.
        """
        try:
            if self._stopped_by is None:
                await self._run()
            else:
                self._ended(self._stopped_by)
        finally:
            if self._kill_timer is not None:
                self._kill_timer.cancel()
        return self.record

    def stop(self, reason: End) -> None:
        """Ends the process, gently or at once.

        At once when it is out of memory. A second call changes nothing.
        """
        if self._stopped_by is not None:
            return
        self._stopped_by = reason
        if reason is End.OUT_OF_MEMORY:
            self.kill(signal.SIGKILL)
            return
        self.kill(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        self._kill_timer = loop.call_later(self._limits.grace_seconds, self.kill, signal.SIGKILL)

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal to the whole group.

        A process that is being started gets it first of all.
        """
        if self._process is None:
            self._due_signals.append(number)
        else:
            self._process.signal_group(number)

    def check_memory(self) -> None:
        """Kills the process when it uses more than it may."""
        if self._process is None or self._process.ended.done() or self._stopped_by is not None:
            return
        used_bytes = used_memory_bytes(self._process.pid)
        self.record.peak_rss_bytes = max(self.record.peak_rss_bytes, used_bytes)
        if used_bytes > self._limits.memory_bytes:
            self.record.detail = OUT_OF_MEMORY_MESSAGE.format(
                limit_mib=self._limits.memory_bytes // 2**20, used_mib=used_bytes // 2**20
            )
            self._log.system("ERROR", self.record.detail)
            self.stop(End.OUT_OF_MEMORY)

    async def _run(self) -> None:
        try:
            _make_folder(self._temporary)
            env = {**self._command.env, "TMPDIR": self._temporary, **self._variables}
            self._process = await start_process(self._command, env, self._log.write, self._spawn)
            for number in self._due_signals:
                self._process.signal_group(number)
        except (OSError, ValueError) as exc:
            self._ended(End.NOT_STARTED, f"The container failed to start: {exc}")
        else:
            await self._wait(self._process)
        self._log.close()
        await _empty_folder(self._temporary)

    async def _wait(self, process: TaskProcess) -> None:
        loop = asyncio.get_running_loop()
        timeout = loop.call_later(self._limits.timeout_seconds, self.stop, End.TIMED_OUT)
        status = await process.ended
        timeout.cancel()
        record = self.record
        record.end = self._stopped_by or End.EXITED
        record.exit_code, record.term_signal = status.exit_code, status.term_signal
        record.cpu_seconds = status.cpu_seconds
        record.ended_at = self._clock()
        told = (
            f"Uncaught signal: {status.term_signal}"
            if status.term_signal
            else f"Container called exit({status.exit_code})."
        )
        self._log.system("INFO" if record.succeeded else "WARNING", told)

    def _ended(self, end: End, detail: str = "") -> None:
        self.record.end = end
        self.record.ended_at = self._clock()
        if detail:
            self.record.detail = detail
            self._log.system("ERROR", detail)


def _make_folder(path: str) -> None:
    try:
        os.mkdir(path, 0o700)  # noqa: PTH102 — the hot path: the parent is there but for the first attempt
    except FileNotFoundError:
        os.makedirs(path, 0o700)  # noqa: PTH103


async def _empty_folder(path: str) -> None:
    """Removes what an attempt left; an empty folder stays, as removing it costs half as much as starting a process."""
    try:
        with os.scandir(path) as entries:
            is_empty = next(entries, None) is None
    except OSError:
        is_empty = False
    if not is_empty:
        await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
