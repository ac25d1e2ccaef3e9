"""When an execution's tasks ran and how attempts ended.

As the chain saw it, for people who look later.
"""

from __future__ import annotations

from typing import Literal

from staging.documents.document import Document, Instant, Part
from staging.documents.manifest import Count

MOST_TASKS = 2_000
"""More would not make a picture clearer; `task_count` says how many there were."""


class TaskTime(Part):
    """When one task began and ended, and its retries.

    By the service's clock; how many attempts came after its first.
    """

    task: Count
    began_at: Instant | None
    ended_at: Instant | None
    retried: Count
    succeeded: bool


class FailedAttempt(Part):
    """One attempt that ended badly.

    When the chain saw that, and the first line of what its log says.
    """

    task: Count
    attempt: Count
    exit_code: Count
    seen_at: Instant
    message: str


class Timeline(Document):
    """One execution of a job for a run.

    `timeline-{id}.json`, written when the chain has seen its end.
    """

    run_id: str
    job: Literal["exporter", "processor", "loader"]
    execution: str
    began_at: Instant
    ended_at: Instant
    task_count: Count
    tasks: tuple[TaskTime, ...]
    attempts: tuple[FailedAttempt, ...]
    logs: str = ""
