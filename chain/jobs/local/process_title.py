"""Changes the command line that `ps` shows of this process."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

_ARG_START, _ARG_END = 47, 48
"""Fields of /proc/PID/stat, from 0, after proc_pid_stat(5): where the command line lies in memory."""


def set_process_title(arguments: Sequence[str]) -> None:
    """Write these arguments over those of the start.

    They are cut to the room of those. Linux alone. Python has copied its arguments before it runs a line, so nobody
    else reads that memory.
    """
    behind_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = (int(behind_name[field - 2]) for field in (_ARG_START, _ARG_END))
    text = b"\0".join(map(os.fsencode, arguments))[: end - start - 1]
    ctypes.memmove(start, text.ljust(end - start, b"\0"), end - start)
