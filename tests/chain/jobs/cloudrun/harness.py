"""What tests of the Cloud Run adapter share: a pipeline, an emulator as a real process, waiting."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from staging.config.file import load_pipeline
from staging.config.pipeline import Pipeline
from tests.warm import warm_python

PATIENCE_SECONDS = 90.0
BASE = """\
name = "daily_revenue"
[source]
url = "env:SHOP_URL"
table = "purchases"
key = "user_id"
time = "purchased_at"
columns = ["amount"]
timezone = "Europe/Berlin"
[staging]
url = "gs://bucket/prefix"
[target]
url = "env:REVENUE_URL"
table = "revenue"
"""


def a_pipeline(folder: Path, more: str = "") -> Pipeline:
    """A pipeline whose file has `more` at its end."""
    path = folder / "pipeline.toml"
    path.write_text(BASE + more, encoding="utf-8")
    return load_pipeline(path, environ={})


def wait_until(holds: Callable[[], Any]) -> Any:
    """What `holds` returns, as soon as that is true."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := holds()):
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.03)
    return found


def all_gone(pids: Iterable[object]) -> bool:
    return not [pid for pid in pids if _is_alive(int(str(pid)))]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class EmulatorProcess:
    """The emulator's own command as a process on a port that stays over restarts. Its image `sh` is a shell.

    It starts warm, or by the Python that is named: one whose memory is measured, or that measures that of its tasks.
    """

    def __init__(self, folder: Path, table: str, *options: str, python: str | None = None) -> None:
        self.folder = folder
        self._python = python or warm_python()
        (folder / "images.toml").write_text(table, encoding="utf-8")
        self._options = options
        self.port = _free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        command = [self._python, "-m", "jobs_emulator", "serve", "--images", str(self.folder / "images.toml")]
        command += [
            "--no-auth",
            "--port",
            str(self.port),
            "--data",
            str(self.folder / "data"),
            *self._options,
            *options,
        ]
        with (self.folder / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        wait_until(lambda: self.ask("GET", "/_emulator/health") is not None)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE_SECONDS)
            wait_until(self._is_gone)

    def _is_gone(self) -> bool:
        """Whether its port is free; what started warm ends a moment after the process that stands for it.

        Whoever connects in that moment is reset: the port was still there.
        """
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=10).close()
        except ConnectionRefusedError:
            return True
        except ConnectionResetError:
            return False
        return False

    def chaos(self, **switches: Any) -> None:
        assert self.ask("PATCH", "/_emulator/chaos", switches) is not None

    def ask(self, verb: str, path: str, body: Any = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json"}
            connection.request(verb, path, json.dumps(body) if body is not None else None, headers)
            response = connection.getresponse()
            text = response.read()
            return json.loads(text) if response.status == http.client.OK else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()


@contextmanager
def emulator_process(folder: Path, table: str, *options: str, python: str | None = None) -> Iterator[EmulatorProcess]:
    """A running emulator process, ended afterwards."""
    emulator = EmulatorProcess(folder, table, *options, python=python)
    try:
        emulator.start()
        yield emulator
    finally:
        emulator.end(signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
