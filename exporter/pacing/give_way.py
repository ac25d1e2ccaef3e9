"""Lowers the priority of our own processes.

For when the database is on this very machine, or anything else that people wait for.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from staging.config.pacing import PacingConfig

_NICENESS = 10
"""What `nice` adds by default: a tenth of the weight of a usual process."""
_AUTOGROUP = Path("/proc/self/autogroup")


def give_way(config: PacingConfig) -> None:
    """Let all others on this machine go first.

    Not for a read that goes flat out. Alone on a machine it costs nothing. Linux may weigh sessions against each other,
    and then a process's own niceness counts only within its session (sched(7), the autogroup feature). The session's is
    lowered where it is ours alone: where we are its leader.
    """
    if config.gentle != "primary":
        return
    os.nice(_NICENESS)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):  # a kernel without it
            _AUTOGROUP.write_text(f"{_NICENESS}\n", encoding="ascii")
