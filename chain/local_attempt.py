"""One attempt of one task as a real process of its own group, with a log of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from chain.jobs import TIMED_OUT

_GRACE_SECONDS = 3.0


class LocalAttempt:
    """Started when made; `wait` ends it at its timeout, `cancel` at once. No process of its group outlives it."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        self.log = log
        with log.open("xb") as output:
            # Standard input is the lifeline of `chain.attached`: it closes when this process dies, even by SIGKILL.
            self._process = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._ended = threading.Event()
        self._reaping = threading.Lock()
        self._timed_out = False

    def wait(self, timeout_seconds: float) -> int:
        """Return the exit code: 128 + n after signal n, 124 after the timeout."""
        timer = threading.Timer(timeout_seconds, self._time_out)
        timer.daemon = True
        timer.start()
        # Seen as dead but not reaped, it still owns its number, so what is left of its group can be killed safely.
        os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT)
        timer.cancel()
        with self._reaping:
            self._signal_group(signal.SIGKILL)
            code = self._process.wait()
            self._ended.set()
        if self._process.stdin:
            self._process.stdin.close()
        if self._timed_out:
            return TIMED_OUT
        return 128 - code if code < 0 else code

    def cancel(self) -> None:
        """SIGTERM to its group, SIGKILL after a grace; returns when the process has ended."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self._reaping:
                if self._ended.is_set():
                    return
                self._signal_group(number)
            self._ended.wait(_GRACE_SECONDS)

    def _time_out(self) -> None:
        self._timed_out = True
        self.cancel()

    def _signal_group(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)
