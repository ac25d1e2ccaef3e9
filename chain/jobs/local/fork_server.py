"""Forks jobs that have imported everything already.

`python -P -m chain.jobs.local.fork_server DESCRIPTOR JSON` runs beside a chain that runs its jobs on this machine, and
forks for each attempt. It has the variables that all jobs share, so no secret of one of them; what belongs to one job
goes to the child alone, after the fork. It runs nothing: it has one thread, and only imports polars and the like, as
threads do not survive a fork. The chain adopts each child, which from then on is like one that was started as a
program.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from chain.jobs.local.attached import attached_command
from chain.jobs.local.attached import main as run_attached
from chain.jobs.local.early_start import NO_PLUGINS

REQUEST_BYTES = 256
FILES = 3
"""With each request come the child's own connection to the chain, its standard output and its standard error."""
PLAN = b"\0plan"
"""No request: with it comes a file that holds a `Plan`."""
_MAY_BE_LOST = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""Threads that the import of polars starts: its allocator does that work itself where the thread is missing, and what
polars spills lies in the folder of the attempt, which is emptied."""
_LOOK_SECONDS = 0.0005
_ARG_START, _ARG_END = 47, 48
"""Fields of /proc/PID/stat, from 0, after proc_pid_stat(5): where the command line lies in memory."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a child becomes: a module, its arguments, folder, variables."""

    module: str
    arguments: list[str]
    cwd: str
    environment: dict[str, str]


@dataclass(frozen=True, slots=True)
class Plan:
    """What jobs share and import, unknown at the start."""

    environment: dict[str, str]
    modules: dict[str, list[str]]


def main() -> None:
    """Serve until the chain is gone; in a child, become the job."""
    control = socket.socket(fileno=int(sys.argv[1]))
    os.environ.update(NO_PLUGINS)  # a job's own variables take the place of all these
    gc.disable()  # what is imported stays: looking for garbage in it is a tenth of its time
    order = _serve(control, json.loads(sys.argv[2]))
    if order is not None:
        _become(order)


def _serve(control: socket.socket, modules: dict[str, list[str]]) -> Order | None:
    """Fork for each request; return the order in a child, None when the chain has closed its end."""
    while True:
        _import_until_asked(control, modules)
        data, files, _, _ = socket.recv_fds(control, REQUEST_BYTES, FILES)
        if not data:
            return None
        if data == PLAN:
            modules = _follow(files[0])
            continue
        _import(modules.pop(data.decode(), []))
        gc.collect()
        gc.freeze()  # the children share these objects: none of them needs to look at them
        if (order := _fork(control, files)) is not None:
            gc.enable()
            return order


def _follow(file: int) -> dict[str, list[str]]:
    """Take the variables of a plan, and return its modules."""
    with open(file, "rb") as told:
        told.seek(0)
        plan = Plan(**json.loads(told.read()))
    os.environ.clear()
    os.environ.update(plan.environment | NO_PLUGINS)
    time.tzset()
    return plan.modules


def _import_until_asked(control: socket.socket, modules: dict[str, list[str]]) -> None:
    """Import what the jobs will need, in their order, as long as nobody waits."""
    while modules and not select.select([control], [], [], 0)[0]:
        job = next(iter(modules))
        _import([modules[job].pop(0)] if modules[job] else [])
        if not modules[job]:
            del modules[job]


def _import(modules: list[str]) -> None:
    for module in modules:
        with contextlib.suppress(ImportError):  # the job meets it, too, and reports it
            importlib.import_module(module)


def _fork(control: socket.socket, files: list[int]) -> Order | None:
    """Fork twice, so that the child is an orphan and the chain adopts it; return its order there, None here.

    Where a fork would lose a thread, the connection is just closed: the chain then starts the job as a program.
    """
    between = os.fork() if _may_fork() else -1
    if between == 0:
        parent = os.getpid()
        if os.fork():
            os._exit(0)
        control.close()
        return _receive_order(files, parent)
    for number in files:
        os.close(number)
    if between > 0:
        os.waitpid(between, 0)
    return None


def _may_fork() -> bool:
    """Whether a child would lack nothing. A library that knows of forks ends its threads before one, as OpenBLAS."""
    if _threads() <= _MAY_BE_LOST:
        return True
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return _threads() <= _MAY_BE_LOST


def _threads() -> set[str]:
    """Return the names of all threads but this one."""
    tasks = [task for task in Path("/proc/self/task").iterdir() if task.name != str(os.getpid())]
    return {(task / "comm").read_text().strip() for task in tasks}


def _receive_order(files: list[int], parent: int) -> Order:
    os.setsid()
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    connection, *outputs = files
    for number, given in enumerate(outputs, start=1):
        os.dup2(given, number)
        os.close(given)
    with socket.socket(fileno=connection) as chain, chain.makefile("rb") as sent:
        chain.sendall(f"{os.getpid()} {os.getppid()}\n".encode())
        text = sent.read()
    if not text:
        os._exit(1)  # the chain did not adopt it, or is gone
    return Order(**json.loads(text))


def _become(order: Order) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # polars has one of its own before it since its import
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.environment)
    time.tzset()
    tempfile.tempdir = None  # each attempt has its own
    _set_process_title([*attached_command(order.module), *order.arguments])
    sys.argv = ["", order.module, *order.arguments]
    run_attached()


def _set_process_title(arguments: list[str]) -> None:
    """Write these arguments over those of the start, for `ps` to show.

    They are cut to the room of those. Linux alone. Python has copied its arguments before it runs a line, so nobody
    else reads that memory.
    """
    behind_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(behind_name[field - 2]) for field in (_ARG_START, _ARG_END))
    text = b"\0".join(map(os.fsencode, arguments))[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)


if __name__ == "__main__":
    main()
