"""Begins the fork server before a command has read anything.

On a small day the jobs' imports take longer than their work, and longer than a command's imports: so they begin in the
first moment, on the other processor. At that moment neither the pipeline nor the list of secret variables is known. So
the server gets only variables known to be none, and modules that every pipeline's jobs need; the rest follows when it
is known (`chain.jobs.local.warm_start`). If the jobs then run elsewhere, the server is ended.

It imports nothing of ours: it is what a command begins with.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_COMMANDS = {"run", "resume", "reprocess", "backfill"}
_ELSEWHERE = {"--help", "-h", "--in-cloud"}
_CALLED_ELSEWHERE = ("RUN_EMULATOR_HOST", "CLOUD_RUN_JOB")
_NO_SECRETS = re.compile(
    "PATH|HOME|USER|LOGNAME|SHELL|PWD|LANG|LANGUAGE|LC_.*|TZ|TZDIR|TMPDIR|TMP|TEMP|XDG_.*|LD_.*|MALLOC_.*"
    "|VIRTUAL_ENV|PYTHON.*|POLARS_.*|ARROW_.*|RUST_.*|RAYON_.*|OMP_.*|OPENBLAS_.*|MKL_.*|PYDANTIC_.*"
)
OF_ALL = (
    *("click", "polars", "polars._utils.parquet", "encodings.idna"),
    *("staging.config.file", "staging.config.layers", "staging.documents.verdict", "staging.process.entry"),
)
OF_EXPORTER = ("exporter.pacing.give_way", "exporter.export_day", "exporter.open_source")
"""What every pipeline's jobs, and every exporter, import; `chain.jobs.local.job_modules` has the rest."""
NO_PLUGINS = {"PYDANTIC_DISABLE_PLUGINS": "1"}
"""For a process that runs no author's code. Else pydantic asks all installed packages whether they are its plugins,
which takes a fifth as long as all our models; none of them is for these."""
_ROOM = "." * 1600
"""Behind the server's arguments, as `ps` shows a job's in their place."""


@dataclass(frozen=True, slots=True)
class ForkServer:
    """The process, and our end of the socket for requests."""

    process: subprocess.Popen[bytes]
    control: socket.socket

    def end(self) -> None:
        """End it, but not its children."""
        self.control.close()
        self.process.kill()
        self.process.wait()


_begun: list[ForkServer] = []


def begin_early(arguments: Sequence[str], environ: Mapping[str, str]) -> None:
    """Begin the server if this command will most likely need it here."""
    if not arguments or arguments[0] not in _COMMANDS or not _ELSEWHERE.isdisjoint(arguments):
        return
    if any(environ.get(name) for name in _CALLED_ELSEWHERE) or not can_be_forked():
        return
    known = {name: text for name, text in environ.items() if _NO_SECRETS.fullmatch(name)}
    _begun.append(start_fork_server(known, {"": (*OF_ALL, *OF_EXPORTER)}))


def take_begun() -> ForkServer | None:
    """Return the server that was begun, once; None where none was."""
    return _begun.pop() if _begun else None


def can_be_forked() -> bool:
    """Return whether what would be started is this very interpreter.

    And no wrapper in its place. On Linux alone.
    """
    try:
        return Path("/proc/self/exe").samefile(sys.executable)
    except OSError:
        return False


def start_fork_server(environment: Mapping[str, str], modules: Mapping[str, Sequence[str]]) -> ForkServer:
    """Start it with these variables.

    It imports the modules of each job, in their order, until it is asked.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "chain.jobs.local.fork_server",
                str(theirs.fileno()),
                json.dumps(modules),
                _ROOM,
            ],
            env=environment,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ForkServer(process, ours)
