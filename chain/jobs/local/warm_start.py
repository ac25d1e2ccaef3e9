"""Starts jobs from the fork server.

Where that can't be, they start as programs. It saves each attempt the second of its imports. Linux alone, and only by
the interpreter that runs the chain.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from chain.jobs.local.attached import attached_command
from chain.jobs.local.fork_server import Order
from chain.jobs.port import JobName

if TYPE_CHECKING:
    from jobs_emulator.run.command import Command
    from jobs_emulator.run.spawn import Spawn

SpawnJob: TypeAlias = "Spawn"
"""How a job's process is started: the emulator's own word for it."""
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_LONGEST_SECONDS = 60.0
_ROOM = "." * 400
"""Behind the server's arguments, as `ps` shows a job's in their place."""


@contextmanager
def open_warm_start(
    environments: Mapping[JobName, Mapping[str, str]], modules: Mapping[JobName, Sequence[str]]
) -> Iterator[SpawnJob | None]:
    """Yield how a job's process is started.

    None where the fork server can't be had, and each has to be started as a program. The fork server ends with the
    block, or with this process.

    `environments` are the jobs' own; the server gets what they have in common. `modules` is what each imports.
    """
    if not _is_possible():
        yield None
        return
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            server = _start_server(theirs, _shared(list(environments.values())), modules)
        try:
            yield _WarmStart(ours).spawn
        finally:
            ours.close()
            server.kill()
            server.wait()


def _is_possible() -> bool:
    try:
        return Path("/proc/self/exe").samefile(sys.executable) and hasattr(ctypes.CDLL(None), "prctl")
    except OSError:
        return False


def _start_server(
    control: socket.socket, environment: Mapping[str, str], modules: Mapping[JobName, Sequence[str]]
) -> subprocess.Popen[bytes]:
    program = attached_command("chain.jobs.local.fork_server")[:3]
    return subprocess.Popen(
        [*program, "chain.jobs.local.fork_server", str(control.fileno()), json.dumps(modules), _ROOM],
        env=environment,
        pass_fds=[control.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def _shared(environments: Sequence[Mapping[str, str]]) -> dict[str, str]:
    first, *others = environments or [{}]
    return {name: text for name, text in first.items() if all(other.get(name) == text for other in others)}


class _WarmStart:
    """Asks the fork server for children and adopts them; any thread may."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._births = 0

    def spawn(self, command: Command, environment: Mapping[str, str], stdout: int, stderr: int) -> int:
        """See `jobs_emulator.run.spawn.spawn`."""
        from jobs_emulator.run.spawn import spawn  # noqa: PLC0415 - it takes a second, while which the server imports

        program = attached_command("")[:-1]
        if command.argv[: len(program)] == program:
            module, *arguments = command.argv[len(program) :]
            order = Order(module, arguments, command.cwd, dict(environment))
            with contextlib.suppress(OSError), self._adopting():
                if pid := self._bear(order, stdout, stderr):
                    return pid
        return spawn(command, environment, stdout, stderr)

    def _bear(self, order: Order, stdout: int, stderr: int) -> int | None:
        ours, theirs = socket.socketpair()
        with ours:
            ours.settimeout(_LONGEST_SECONDS)
            with theirs:
                socket.send_fds(self._control, [order.module.encode()], [theirs.fileno(), stdout, stderr])
            with ours.makefile("rb") as answers:
                told = answers.readline().split()
            if not told or int(told[1]) != os.getpid():
                return None
            ours.sendall(json.dumps(asdict(order)).encode())
        return int(told[0])

    @contextmanager
    def _adopting(self) -> Iterator[None]:
        """Be the one who gets orphans, as long as a birth takes: what jobs leave behind is not for us to wait for."""
        with self._lock:
            self._births += 1
            _adopt_orphans(is_wanted=True)
        try:
            yield
        finally:
            with self._lock:
                self._births -= 1
                _adopt_orphans(is_wanted=self._births > 0)


def _adopt_orphans(*, is_wanted: bool) -> None:
    ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, int(is_wanted), 0, 0, 0)
