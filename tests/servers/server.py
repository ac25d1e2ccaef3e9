"""One server process: started on a free loopback port in a folder of its own, always stopped."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from tests.guards import environment_of_servers
from tests.servers.keeper import drop_rights
from tests.servers.programs import MYSQL_CACHED

HOST = "127.0.0.1"
PASSWORD = "canary@pass:word/%41"
"""Of every server account in the tests: it has the signs that break URLs, and is looked for in all that is printed."""

_KEPT = MYSQL_CACHED.parent
_KEEPER = Path(__file__).with_name("keeper.py")
_START_SECONDS = 60
_PORT_TRIES = 5


class ServerFailedError(Exception):
    """A server did not start; its log says why."""


class Server(ABC):
    """A server of which a test may stop, kill and start the process; its data live until `close`."""

    name: str
    environment: Mapping[str, str] = MappingProxyType({})
    """Variables of its own."""
    system_users: tuple[str, ...] = ("nobody",)
    end_signal: signal.Signals = signal.SIGKILL
    """What ends it for good, when its data are no longer needed."""
    stop_signal: signal.Signals = signal.SIGTERM
    """What ends it properly."""

    def __init__(self) -> None:
        self._sweep_orphaned_folders()
        self.user = _unprivileged(self.system_users)
        self.folder = Path(tempfile.mkdtemp(prefix=f"penstock-{self.name}-{os.getpid()}-"))
        if self.user != "-":
            shutil.chown(self.folder, self.user)
        self.port = 0
        self._keeper: subprocess.Popen[bytes] | None = None
        try:
            self.prepare()
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def prepare(self) -> None:
        """Make what the first start needs in `folder`."""

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that serves `port` on loopback."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Whether it answers; False, never an error, while it does not."""

    def start(self) -> None:
        """Start, on the port of the last time if there was one, and return when it answers; ServerFailedError."""
        tries = [self.port] * _PORT_TRIES if self.port else [_free_port() for _ in range(_PORT_TRIES)]
        for self.port in tries:
            self._keeper = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(_KEEPER)),
                    *(str(self.folder), str(int(self.end_signal)), self.user, "--"),
                    *self.command(),
                ],
                stdin=subprocess.PIPE,
                start_new_session=True,
                env={**environment_of_servers(), **self.environment},
            )
            deadline = time.monotonic() + _START_SECONDS
            while self._keeper.poll() is None and time.monotonic() < deadline:
                if self.is_ready():
                    return
                time.sleep(0.03)
            if self._keeper.poll() is None:
                break
            time.sleep(0.3)  # the port was taken meanwhile, or a killed server's children are not gone yet
        message = f"{self.name} did not start:\n{self.log()[-3000:]}"
        self.close()
        raise ServerFailedError(message)

    def stop(self) -> None:
        """End it properly; its data stay. Returns when the process is gone."""
        self._signal_and_wait(self.stop_signal)

    def kill(self) -> None:
        """End it as a power cut does; its data stay. Returns when the process is gone."""
        self._signal_and_wait(signal.SIGKILL)

    def close(self) -> None:
        """End it and remove its data; safe to call twice."""
        if self._keeper is not None:
            assert self._keeper.stdin is not None
            self._keeper.stdin.close()
            self._keeper.wait()
            self._keeper = None
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """Return what it printed."""
        path = self.folder / "server.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def run(self, command: list[str], **environment: str) -> None:
        """Run a program of its in its folder, as its user; ServerFailedError with the output."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "HOME": str(self.folder), **environment},
            check=False,
            **drop_rights(self.user),
        )
        if done.returncode != 0:
            raise ServerFailedError(f"{command[0]} ended with {done.returncode}:\n{done.stdout.decode()[-3000:]}")

    def _signal_and_wait(self, number: signal.Signals) -> None:
        assert self._keeper is not None, "it is not running"
        assert self._keeper.stdin is not None
        self._keeper.stdin.write(f"{int(number)}\n".encode())
        self._keeper.stdin.close()
        self._keeper.wait()
        self._keeper = None

    def _sweep_orphaned_folders(self) -> None:
        """Remove folders whose tests are gone; a keeper that was killed can't."""
        for folder in Path(tempfile.gettempdir()).glob(f"penstock-{self.name}-*-*"):
            starter = folder.name.split("-")[-2]
            if starter.isdigit() and not _is_running(int(starter)):
                shutil.rmtree(folder, ignore_errors=True)


def _unprivileged(system_users: tuple[str, ...]) -> str:
    """Return whom to run as: `-` (ourselves) unless we are root, which database servers refuse to be."""
    if os.geteuid() != 0:
        return "-"
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next((user for user in (*system_users, "nobody") if user in known), "-")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


# --- data folders as they are after an initialisation, which takes seconds ---


def fresh_data(name: str, *made_by: str) -> Path:
    """Where the data of this kind of server are kept, made by that program with those options."""
    return _KEPT / f"{name}-data" / hashlib.sha256("\n".join(made_by).encode()).hexdigest()[:16]


def which(program: Path) -> str:
    """Which program it is: another one, of another version, may lie in its place tomorrow."""
    found = program.resolve()
    return f"{found} {found.stat().st_size} {found.stat().st_mtime_ns}"


def copy_or_make(data: Path, fresh: Path, make: Callable[[], None], owner: str) -> None:
    """Copy what is kept to `data`, for this user ("-": for us); if there is nothing, make it there and keep a copy."""
    if not fresh.exists():
        make()
        _keep(data, fresh)
        return
    shutil.copytree(fresh, data, symlinks=True)
    if owner != "-":
        for path in (data, *data.rglob("*")):
            shutil.chown(path, owner)


def _keep(data: Path, fresh: Path) -> None:
    """Keep a copy for the next server; whole or not at all, though several test runs may do so at once."""
    fresh.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=fresh.parent) as name:
        copied = Path(shutil.copytree(data, Path(name) / "data", symlinks=True))
        try:
            copied.rename(fresh)
        except OSError:
            if not fresh.exists():  # else another run has kept one at the same moment
                raise
