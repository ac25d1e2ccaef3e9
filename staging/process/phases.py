"""Logs one line a phase of a job.

JSON as Cloud Logging wants it where Cloud Run runs the job, words on a terminal. Fields:
https://cloud.google.com/logging/docs/structured-logging. All jobs of a run have one trace, made from its id, so that
their lines are shown together, no matter who started them.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TextIO

from staging.redaction import redact

Phase = Literal["connect", "plan", "wait", "read", "process", "seal", "commit", "load"]
Severity = Literal["INFO", "ERROR"]

_DOING: Mapping[Phase, str] = {
    "connect": "connecting",
    "plan": "planning",
    "wait": "waiting",
    "read": "reading",
    "process": "processing",
    "seal": "sealing",
    "commit": "committing",
    "load": "loading",
}


def doing(phase: Phase) -> str:
    """Return what a job does in the phase.

    For people who watch it.
    """
    return _DOING[phase]


@dataclass(frozen=True, slots=True)
class JobIdentity:
    """Which job works for which run."""

    job: str
    run_id: str = ""
    day: str = ""


class PhaseLog:
    """Writes a line when a phase begins, or none.

    A chain on this machine reads progress instead.
    """

    def __init__(
        self,
        write: Callable[[Phase, Severity, str], str] | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self._write = write
        self._stream = stream

    @classmethod
    def from_environment(cls, environ: Mapping[str, str], identity: JobIdentity, *, is_watched: bool) -> PhaseLog:
        """Return one for the job.

        JSON on Cloud Run, words where stderr is a terminal, nothing elsewhere.
        """
        if is_watched:
            return cls()
        if environ.get("CLOUD_RUN_EXECUTION"):
            return cls(lambda phase, severity, text: _as_json(environ, identity, phase, severity, text), sys.stderr)
        if sys.stderr.isatty():
            return cls(
                lambda phase, _, text: f"{datetime.now(UTC):%H:%M:%S} {doing(phase)}{text and f': {text}'}", sys.stderr
            )
        return cls()

    def begin(self, phase: Phase, text: str = "") -> None:
        """Write that the phase begins."""
        self._line(phase, "INFO", text)

    def fail(self, phase: Phase, text: str) -> None:
        """Write that the phase ended badly."""
        self._line(phase, "ERROR", text)

    def _line(self, phase: Phase, severity: Severity, text: str) -> None:
        if self._write is not None and self._stream is not None:
            self._stream.write(f"{self._write(phase, severity, redact(text))}\n")
            self._stream.flush()


def trace_of(run_id: str, project: str = "") -> str:
    """Return the trace of a run.

    32 hexadecimal digits of its id, below its project where that is known.
    """
    trace = hashlib.sha256(run_id.encode()).hexdigest()[:32]
    return f"projects/{project}/traces/{trace}" if project else trace


def _trace(environ: Mapping[str, str], identity: JobIdentity) -> str:
    """Return the trace that a line belongs to: the one that is sent (`staging.telemetry`), or that of the run."""
    project, parent = environ.get("GOOGLE_CLOUD_PROJECT", ""), environ.get("TRACEPARENT", "").split("-")
    if len(parent) != 4 or len(parent[1]) != 32:  # noqa: PLR2004 - https://www.w3.org/TR/trace-context
        return trace_of(identity.run_id, project)
    return f"projects/{project}/traces/{parent[1]}" if project else parent[1]


def _as_json(environ: Mapping[str, str], identity: JobIdentity, phase: Phase, severity: Severity, text: str) -> str:
    attempt, task = environ.get("CLOUD_RUN_TASK_ATTEMPT", "0"), environ.get("CLOUD_RUN_TASK_INDEX", "0")
    fields = {
        "severity": severity,
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "message": f"{identity.job}: {doing(phase)}" + (f": {text}" if text else ""),
        "phase": phase,
        "job": identity.job,
        "day": identity.day,
        "run_id": identity.run_id,
        "execution": environ["CLOUD_RUN_EXECUTION"],
        "task": int(task) if task.isdigit() else 0,
        "attempt": int(attempt) if attempt.isdigit() else 0,
        "logging.googleapis.com/trace": _trace(environ, identity),
        "logging.googleapis.com/labels": {"penstock_run_id": identity.run_id, "penstock_job": identity.job},
    }
    return json.dumps(fields, ensure_ascii=False)
