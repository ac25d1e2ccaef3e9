"""Starts a job inside a process that does not outlive the one that started it.

`python -m chain.attached MODULE [ARGUMENT …]` runs `python -m MODULE …` with standard input as a lifeline: its
other end is held by the starter and closes when that process is gone, however it went. Then this process group gets
SIGTERM, and SIGKILL after a grace.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

_GRACE_SECONDS = 3.0


def main() -> None:
    """Run the module named by the first argument."""
    module, *arguments = sys.argv[1:]
    lifeline = os.dup(sys.stdin.fileno())
    os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())
    threading.Thread(target=_end_with_starter, args=(lifeline,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_starter(lifeline: int) -> None:
    while os.read(lifeline, 1):
        pass
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
