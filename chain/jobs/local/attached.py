"""Starts a job that ends with its starter.

The job's process does not outlive the one that started it. `python -m chain.attached MODULE [ARGUMENT …]` runs `python
-m MODULE …`. The starter's process number is in a variable; when this process gets another parent, the starter is gone,
however it went. Then this process group gets SIGTERM, and SIGKILL after a grace.
"""

from __future__ import annotations

import os
import runpy
import signal
import sys
import threading
import time

STARTER_VARIABLE = "PENSTOCK_STARTER"
_LOOK_SECONDS = 0.25
_GRACE_SECONDS = 3.0


def attached_command(module: str) -> tuple[str, ...]:
    """Return the command that starts a module so.

    By this very interpreter, so that all see the same installation. `STARTER_VARIABLE` must be in its environment.
    """
    return (sys.executable, "-P", "-m", "chain.jobs.local.attached", module)


def main() -> None:
    """Run the module named by the first argument."""
    module, *arguments = sys.argv[1:]
    starter = int(os.environ[STARTER_VARIABLE])
    threading.Thread(target=_end_with_starter, args=(starter,), daemon=True).start()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _end_with_starter(starter: int) -> None:
    while os.getppid() == starter:
        time.sleep(_LOOK_SECONDS)
    os.killpg(0, signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
