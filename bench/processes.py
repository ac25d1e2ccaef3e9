"""Processes of a server: their processor time and the cores they may use, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.servers.server import Server

_TICK_SECONDS = 1 / os.sysconf("SC_CLK_TCK")


def server_cpu_seconds(server: Server) -> float:
    """Processor seconds that the server has used so far, with those of backends that ended."""
    while True:
        with suppress(FileNotFoundError, ProcessLookupError):  # a backend has ended meanwhile: its parent counts it
            return sum(_cpu_seconds(pid) for pid in _tree(_server_pid(server)))


def pin(server: Server, cores: set[int]) -> None:
    """Let all threads of the server, and what they start from now on, run on these cores alone."""
    for pid in _tree(_server_pid(server)):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), cores)


def _server_pid(server: Server) -> int:
    keeper = server._keeper
    assert keeper is not None, "it is not running"
    (child,) = _children(keeper.pid)
    return child


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for child in _children(pid):
        yield from _tree(child)


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        found.extend(map(int, (thread / "children").read_text().split()))
    return found


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) * _TICK_SECONDS  # utime, stime, and those of children that were waited for
