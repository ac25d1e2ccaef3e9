"""Imports everything once, then forks for each client; `python -m tests.warm.server SOCKET PROGRAM`.

It has no thread that matters, and has run nothing of polars, pyarrow or grpc: threads do not survive a fork. Each
client's connection stays open while its process lives; when a client is gone before that, its process is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import importlib
import io
import marshal
import os
import pkgutil
import runpy
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
import types
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

_PACKAGES = ("staging", "databases", "exporter", "processor", "loader", "chain", "jobs_emulator")
_ENTRIES = ("__main__", "attached")
_FILES = 3
_HUGE_BYTES, _MADV_COLLAPSE = 2 << 20, 25
_MAY_BE_LOST = {"jemalloc_bg_thd", "polars-ooc-clea"}
"""An allocator's, which it does without after a fork, and one that removes what polars has spilled."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a client wants to be: its arguments, folder, variables, number and first three files."""

    arguments: list[str]
    cwd: str
    environ: dict[bytes, bytes]
    client: int
    files: list[int]


def main(address: str, program: str) -> None:
    """Serve until standard input ends."""
    _import_all()
    gc.collect()
    gc.freeze()  # the forks share these objects: none of them needs to look at them
    _move_into_huge_pages()
    lost = {(task / "comm").read_text().strip() for task in Path("/proc/self/task").iterdir()} - _MAY_BE_LOST
    assert len(lost) == 1, f"threads would be lost in each fork: {lost}"
    server = Server(address, program)
    print("ready", flush=True)
    server.serve()


class Server:
    """One thread that accepts clients, forks for them, and tells each how its process ended."""

    def __init__(self, address: str, program: str) -> None:
        self._program = program
        self._clients: dict[int, socket.socket] = {}
        self._listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listening.bind(address)
        self._listening.listen(64)
        self._woken, waking = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(waking)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._selector = selectors.DefaultSelector()
        for file in (0, self._listening, self._woken):
            self._selector.register(file, selectors.EVENT_READ)

    def serve(self) -> None:
        """Until standard input ends."""
        while True:
            for key, _ in self._selector.select():
                if key.fileobj == 0:
                    _kill(list(self._clients))
                    return
                if key.fileobj is self._listening:
                    self._accept()
                elif key.fileobj == self._woken:
                    os.read(self._woken, 4096)
                elif key.data in self._clients:  # the client is gone
                    self._selector.unregister(key.fileobj)
                    _kill([key.data])
            self._reap()

    def _accept(self) -> None:
        client = self._listening.accept()[0]
        if (order := _read_order(client)) is None:
            client.close()
            return
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            for file in (self._listening, client, *self._clients.values()):
                file.close()
            _become(order, self._program)
        for number in order.files:
            os.close(number)
        self._clients[pid] = client
        self._selector.register(client, selectors.EVENT_READ, pid)
        with contextlib.suppress(OSError):
            client.sendall(f"{pid}\n".encode())

    def _reap(self) -> None:
        while self._clients:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            client = self._clients.pop(pid)
            with contextlib.suppress(KeyError):
                self._selector.unregister(client)
            with contextlib.suppress(OSError):
                client.sendall(f"{status}\n".encode())
            client.close()


def _import_all() -> None:
    for package in _PACKAGES:
        try:
            top = importlib.import_module(package)
        except ModuleNotFoundError:
            continue
        for module in pkgutil.walk_packages(top.__path__, f"{package}."):
            if module.name.rpartition(".")[2] not in _ENTRIES and "pytest" not in module.name:
                importlib.import_module(module.name)
    for name in ("polars", "pyarrow.parquet", "psycopg", "pymysql", "sqlalchemy.dialects.postgresql"):
        importlib.import_module(name)
    for name in ("sqlalchemy.dialects.mysql", "sqlalchemy.dialects.sqlite", "google.cloud.storage", "rich.console"):
        importlib.import_module(name)


def _move_into_huge_pages() -> None:
    """Move what was imported into huge pages, where the kernel can: half of a fork is copying an entry for each page.

    https://man7.org/linux/man-pages/man2/madvise.2.html, since Linux 6.1.
    """
    madvise = ctypes.CDLL(None).madvise
    for line in Path("/proc/self/maps").read_text().splitlines():
        addresses, rights, _, _, _, *name = line.split()
        if rights == "rw-p" and name in ([], ["[heap]"]):
            start, end = (int(address, 16) for address in addresses.split("-"))
            for page in range(-(-start // _HUGE_BYTES) * _HUGE_BYTES, end - _HUGE_BYTES + 1, _HUGE_BYTES):
                madvise(ctypes.c_void_p(page), ctypes.c_size_t(_HUGE_BYTES), _MADV_COLLAPSE)  # or it stays as it is


def _read_order(client: socket.socket) -> Order | None:
    """Return what a client wants; None of one that was killed before it had said all."""
    files: list[int] = []
    with contextlib.suppress(OSError):
        head, files, _, _ = socket.recv_fds(client, 4, _FILES)
        head += _read(client, 4 - len(head))
        data = _read(client, int.from_bytes(head, "big"))
        if data and len(files) == _FILES:
            arguments, cwd, environ, number = marshal.loads(data)
            return Order(arguments, cwd, environ, number, files)
    for number in files:
        os.close(number)
    return None


def _read(client: socket.socket, length: int) -> bytes:
    """Read so many bytes; none where the client ends before."""
    data = b""
    while len(data) < length:
        if not (piece := client.recv(length - len(data))):
            return b""
        data += piece
    return data


def _become(order: Order, program: str) -> NoReturn:
    code = 1
    try:
        os.setsid()
        for number, given in enumerate(order.files):
            os.dup2(given, number)
        for given in order.files:
            os.close(given)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(order.cwd)
        os.environ.clear()
        os.environb.update(order.environ)
        time.tzset()
        os.getppid = lambda: _parent_of(order.client)  # ours is the fork server
        sys.executable = program
        _open_standard_files()
        is_safe = order.arguments[0] == "-P"
        module, *rest = order.arguments[2:] if is_safe else order.arguments[1:]
        more = [] if is_safe else [order.cwd]
        sys.path[0:1] = [*more, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
        sys.argv = [module, *rest]
        sys.modules["__main__"] = types.ModuleType("__main__")
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            code = ended.code or 0
        else:
            print(ended.code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as Python itself does at the end of a program
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            threading._shutdown()  # type: ignore[attr-defined] # as Python's own end does
            atexit._run_exitfuncs()
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code & 0xFF)


def _open_standard_files() -> None:
    sys.stdin = io.TextIOWrapper(io.FileIO(0, "r", closefd=False), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8", line_buffering=os.isatty(1)
    )
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        line_buffering=True,
        write_through=True,
    )
    sys.__stdin__, sys.__stdout__, sys.__stderr__ = sys.stdin, sys.stdout, sys.stderr  # type: ignore[misc] # final, but for us who begin a process


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return 1


def _kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
