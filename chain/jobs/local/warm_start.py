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
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeAlias

from chain.jobs.local.attached import attached_command
from chain.jobs.local.early_start import can_be_forked, start_fork_server, take_begun
from chain.jobs.local.fork_server import PLAN, Order, Plan
from chain.jobs.port import JobName

if TYPE_CHECKING:
    from jobs_emulator.run.command import Command
    from jobs_emulator.run.spawn import Spawn

SpawnJob: TypeAlias = "Spawn"
"""How a job's process is started: the emulator's own word for it."""
_SET_CHILD_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER
_LONGEST_SECONDS = 60.0


@contextmanager
def open_warm_start(
    environments: Mapping[JobName, Mapping[str, str]], modules: Mapping[JobName, Sequence[str]]
) -> Iterator[SpawnJob | None]:
    """Yield the function that starts a job's process.

    None without a fork server: then each job has to be started as a program. The fork server ends with the block, or
    with this process.

    `environments` are the jobs' own; the server gets what they have in common. `modules` is what each imports.
    """
    begun = take_begun()
    if not (can_be_forked() and hasattr(ctypes.CDLL(None), "prctl")):
        if begun is not None:
            begun.end()
        yield None
        return
    shared = _shared(list(environments.values()))
    if begun is None:
        server = start_fork_server(shared, {str(job): each for job, each in modules.items()})
    else:
        server = begun
        _tell_plan(server.control, Plan(shared, {job: [*each] for job, each in modules.items()}))
    try:
        yield _WarmStart(server.control).spawn
    finally:
        server.end()


def _tell_plan(control: socket.socket, plan: Plan) -> None:
    """Say what was not known when the server was begun; it may have ended by now, then jobs start as programs."""
    told = os.memfd_create("plan")
    try:
        with open(told, "wb", closefd=False) as file:
            file.write(json.dumps(asdict(plan)).encode())
        with contextlib.suppress(OSError):
            socket.send_fds(control, [PLAN], [told])
    finally:
        os.close(told)


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
        from jobs_emulator.run.spawn import spawn  # noqa: PLC0415 - it takes a second, in which the server imports

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
        """Adopt orphans, but only during a fork: processes that jobs leave behind are not for us to wait for."""
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
