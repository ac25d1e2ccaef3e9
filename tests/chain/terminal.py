"""A command on a real terminal of 80 columns, and what stood on its screen."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path


def on_terminal(command: list[str], cwd: Path, **environ: str) -> tuple[int, str]:
    """Run on a terminal of 80 columns; return the exit code and all that was written to it."""
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "COLUMNS")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"} | environ
    mine, its = pty.openpty()
    with subprocess.Popen(command, stdin=its, stdout=its, stderr=its, cwd=cwd, env=environment) as process:
        os.close(its)
        written = b""
        while True:
            try:
                added = os.read(mine, 65536)
            except OSError:  # Linux says so when the last writer has closed it
                break
            if not added:
                break
            written += added
        code = process.wait()
    os.close(mine)
    return code, written.decode()


def plain(screen: str) -> list[str]:
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen)
    return [line.rstrip() for part in text.split("\n") for line in part.split("\r")]
