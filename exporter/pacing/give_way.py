"""Our own processor time: where the database is on this very machine, or anything else that people wait for."""

from __future__ import annotations

import os

from staging.pacing_config import PacingConfig

_NICENESS = 10
"""What `nice` adds where nobody says how much: a tenth of the weight of what runs as usual."""


def give_way(config: PacingConfig) -> None:
    """Let everybody else on this machine go first, unless it reads flat out. Alone on a machine it loses nothing."""
    if config.gentle == "primary":
        os.nice(_NICENESS)
