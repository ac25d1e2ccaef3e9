"""Kills processes that a task left outside its group.

They are found by the TMPDIR in their environment. A task that starts a daemon in a session of its own escapes the group
kill; and a killed emulator leaves its tasks running. Both still carry the TMPDIR of their attempt, which lies in the
emulator's own folder and nowhere else. Linux only.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


def kill_leftovers(folder: Path) -> list[int]:
    """Kills every process whose TMPDIR lies in `folder`; returns their process ids."""
    marker = b"TMPDIR=" + os.fsencode(folder.resolve())
    killed = []
    for entry in Path("/proc").iterdir() if Path("/proc/self/environ").exists() else ():
        if entry.name.isdecimal() and int(entry.name) != os.getpid() and _carries(entry, marker):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(entry.name), signal.SIGKILL)
                killed.append(int(entry.name))
    return killed


def _carries(process: Path, marker: bytes) -> bool:
    try:
        environment = b"\0" + (process / "environ").read_bytes() + b"\0"
    except OSError:  # ended meanwhile, or another user's
        return False
    return any(b"\0" + marker + after in environment for after in (b"\0", b"/"))
