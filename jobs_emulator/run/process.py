"""One process of a task.

Started in its own session, its output read as it comes, ended with everything it started. No shell. It is started on a
thread (see `spawn`), so that the event loop goes on meanwhile. The end is seen through a pidfd, where the system has
one, so no thread waits per process; elsewhere a thread does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass

from jobs_emulator.run.command import Command
from jobs_emulator.run.spawn import Spawn, spawn

READ_BYTES = 65_536
DRAIN_BYTES_MAX = 4 * 2**20
"""After the end of a process, at most this much of the rest in its pipes is read."""

OutputSink = Callable[[str, bytes], None]
"""Called with `stdout` or `stderr`, and bytes as they were written."""


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """How a process ended.

    An exit code or a signal, and what it used.
    """

    exit_code: int
    term_signal: int
    cpu_seconds: float


async def start_process(command: Command, env: dict[str, str], sink: OutputSink, spawn: Spawn = spawn) -> TaskProcess:
    """Starts a program; OSError or ValueError when it cannot be started."""
    stdout, stdout_end = os.pipe()
    stderr, stderr_end = os.pipe()
    loop = asyncio.get_running_loop()
    try:
        pid = await loop.run_in_executor(None, spawn, command, env, stdout_end, stderr_end)
    except BaseException:
        os.close(stdout)
        os.close(stderr)
        raise
    finally:
        os.close(stdout_end)
        os.close(stderr_end)
    return TaskProcess(pid, {stdout: "stdout", stderr: "stderr"}, sink)


class TaskProcess:
    """A running process and the pipes it writes to.

    Once it and its group are gone, `ended` has its ExitStatus.
    """

    def __init__(self, pid: int, pipes: dict[int, str], sink: OutputSink) -> None:
        self._loop = asyncio.get_running_loop()
        self._sink = sink
        self.ended: asyncio.Future[ExitStatus] = self._loop.create_future()
        self._pipes = pipes
        self.pid = pid
        for descriptor, stream in self._pipes.items():
            os.set_blocking(descriptor, False)
            self._loop.add_reader(descriptor, self._read, descriptor, stream)
        self._watch_exit()

    def signal_group(self, number: signal.Signals) -> None:
        """Sends a signal to the process's whole session.

        To all it started there; nothing when it has ended.
        """
        if not self.ended.done():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _read(self, descriptor: int, stream: str) -> int:
        """Passes on what one pipe holds; returns how much, 0 at its end or when it is empty."""
        try:
            data = os.read(descriptor, READ_BYTES)
        except BlockingIOError:
            return 0
        if data:
            self._sink(stream, data)
        else:
            self._close_pipe(descriptor)
        return len(data)

    def _close_pipe(self, descriptor: int) -> None:
        self._loop.remove_reader(descriptor)
        os.close(descriptor)
        del self._pipes[descriptor]

    def _watch_exit(self) -> None:
        if not hasattr(os, "pidfd_open"):
            threading.Thread(target=self._wait_in_thread, daemon=True).start()
            return
        pidfd = os.pidfd_open(self.pid)

        def exited() -> None:
            self._loop.remove_reader(pidfd)
            os.close(pidfd)
            self._reap()

        self._loop.add_reader(pidfd, exited)

    def _wait_in_thread(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._loop.call_soon_threadsafe(self._reap)

    def _reap(self) -> None:
        # The group is killed while the ended process still holds its id, so the number cannot have become another's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        _, status, usage = os.wait4(self.pid, 0)
        for descriptor, stream in list(self._pipes.items()):
            drained = 0
            while drained < DRAIN_BYTES_MAX and (count := self._read(descriptor, stream)):
                drained += count
            if descriptor in self._pipes:
                self._close_pipe(descriptor)
        code = os.waitstatus_to_exitcode(status)
        self.ended.set_result(ExitStatus(max(code, 0), max(-code, 0), usage.ru_utime + usage.ru_stime))
