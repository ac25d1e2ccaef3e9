"""Runs one server and stops it when its starter is gone, however that ended.

`python keeper.py FOLDER END_SIGNAL USER -- COMMAND…`. The starter holds the other end of standard input:

* a signal's number and a newline: send that signal to the server, wait, keep the folder;
* end of file, asked for or because the starter died: send END_SIGNAL, wait, remove the folder.

The keeper has a session of its own, so Ctrl-C in the terminal does not reach the server before its tests are over.

It is a script that imports nothing of the project: it must start quickly and survive anything the tests break.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_PATIENCE_SECONDS = 20
_TICK_SECONDS = 0.5


def main(argv: list[str]) -> int:
    """Run the server until it ends or is told to; return its exit code."""
    folder, end_signal, user, separator, *command = argv
    assert separator == "--"
    starter = os.getppid()

    def die_with_keeper() -> None:
        # Linux alone; elsewhere only a killed keeper leaves a server behind.
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(end_signal))

    # Signals that were meant for the tests end the server properly, too.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: os.close(0))
    with Path(folder, "server.log").open("ab") as log:
        server = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            preexec_fn=die_with_keeper,  # noqa: PLW1509 - there is one thread
            **drop_rights(user),
        )
    while server.poll() is None and os.getppid() == starter:
        try:
            readable = select.select([0], [], [], _TICK_SECONDS)[0]
            word = os.read(0, 16) if readable else None
        except OSError:
            word = b""
        if word:
            return _end(server, int(word))
        if word == b"":
            break
    else:
        if server.poll() is not None:
            return server.returncode
    code = _end(server, int(end_signal))
    shutil.rmtree(folder, ignore_errors=True)
    return code


def drop_rights(user: str) -> dict[str, Any]:
    """Return the Popen arguments that make a child run as `user`; none for `-`."""
    return {} if user == "-" else {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


def _end(server: subprocess.Popen[bytes], number: int) -> int:
    server.send_signal(number)
    try:
        return server.wait(_PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        return server.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
