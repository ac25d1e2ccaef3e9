"""Starts this test run's fork server, once, and says which program reaches it."""

from __future__ import annotations

import atexit
import functools
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.guards import environment_of_servers

_CLIENT = Path(__file__).with_name("client.py")
_CHECKOUT = Path(__file__).resolve().parents[2]


@functools.cache
def warm_python() -> str:
    """Return the path of a program that takes `-m MODULE …` as Python does; the server ends with this process."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-warm-"))
    program, socket = folder / "python", folder / "socket"
    script = _CLIENT.read_text("utf-8").replace("@SOCKET@", str(socket)).replace("@PYTHON@", sys.executable)
    program.write_text(f"#!{sys.executable} -IS\n{script}", encoding="utf-8")
    program.chmod(0o755)
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.warm.server", str(socket), str(program)],
        cwd=_CHECKOUT,
        stdin=subprocess.PIPE,  # it ends when nobody holds the other end any more
        stdout=subprocess.PIPE,
        env=environment_of_servers(),
        start_new_session=True,
    )
    atexit.register(_end, server, folder)
    assert server.stdout is not None
    assert server.stdout.readline() == b"ready\n", "the fork server did not start"
    return str(program)


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    assert server.stdin is not None
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder, ignore_errors=True)
