"""Log lines as Cloud Logging shows those of a Cloud Run job.

Shape: the LogEntry of the Cloud Logging API (logging.googleapis.com, v2); labels as the cloud sets them. A line that is
a JSON object becomes `jsonPayload` and may carry its own `severity`, as Cloud Run's logging agent does.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from jobs_emulator.names import ExecutionName

LINE_BYTES_MAX = 256 * 1024
"""Longest line of one entry (the limit of Cloud Logging); a longer one is cut into several."""

SEVERITIES = {"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

EntrySink = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class LogOrigin:
    """The attempt a line comes from.

    Task index and attempt count from 0.
    """

    execution: ExecutionName
    task_index: int
    attempt: int


def line_entry(origin: LogOrigin, stream: str, line: bytes, now: float) -> dict[str, Any]:
    """One line a task wrote to `stdout` or `stderr`."""
    text = line.decode("utf-8", errors="replace")
    payload = _parse_object(text)
    if payload is None:
        return _entry(origin, stream, "DEFAULT", now, {"textPayload": text})
    severity = str(payload.get("severity", "DEFAULT")).upper()
    if severity in SEVERITIES:
        payload.pop("severity", None)
    return _entry(origin, stream, severity if severity in SEVERITIES else "DEFAULT", now, {"jsonPayload": payload})


def system_entry(origin: LogOrigin, severity: str, message: str, now: float) -> dict[str, Any]:
    """What the platform itself has to say about an attempt."""
    return _entry(origin, "varlog/system", severity, now, {"textPayload": message})


def _entry(origin: LogOrigin, stream: str, severity: str, now: float, payload: dict[str, Any]) -> dict[str, Any]:
    name = origin.execution
    log = stream.replace("/", "%2F")
    return {
        **payload,
        "timestamp": datetime.fromtimestamp(now, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
        "severity": severity,
        "logName": f"projects/{name.project}/logs/run.googleapis.com%2F{log}",
        "resource": {
            "type": "cloud_run_job",
            "labels": {"project_id": name.project, "location": name.location, "job_name": name.job},
        },
        "labels": {
            "run.googleapis.com/execution_name": name.execution,
            "run.googleapis.com/task_index": str(origin.task_index),
            "run.googleapis.com/task_attempt": str(origin.attempt),
        },
    }


def _parse_object(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
