"""The `penstock` command as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.warm import warm_python


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        """Return the object on stdout; stdout must hold nothing else."""
        assert self.code == 0, self.err
        found: dict[str, Any] = json.loads(self.out)
        return found


def penstock(*arguments: str | Path, logs: Path, **environment: str) -> Ended:
    """Run a command to its end; its jobs' logs go below `logs`."""
    done = subprocess.run(
        [warm_python(), "-m", "chain", *map(str, arguments)],
        env=os.environ | {"PENSTOCK_LOGS": str(logs)} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
