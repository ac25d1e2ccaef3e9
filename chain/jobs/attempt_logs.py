"""The port to what attempts wrote.

It reads logs on this machine, and only points to others.
"""

from __future__ import annotations

from typing import Protocol

from staging.process.progress import ProgressLine


class AttemptLogs(Protocol):
    """Progress and errors of attempts.

    As far as they can be seen from here. Executions go by their short names.
    """

    def progress(self, execution: str) -> ProgressLine:
        """Return how far the tasks are, all together."""
        ...

    def error(self, execution: str, task: int, attempt: int) -> str:
        """Return the last `error: …` of the attempt's log.

        Without that word, or nothing.
        """
        ...

    def place(self, execution: str, task: int, attempt: int) -> str:
        """Return where the attempt's log lies, or nothing.

        Nothing where only the service knows.
        """
        ...

    def folder(self, execution: str) -> str:
        """Return where all logs of the execution lie, or nothing."""
        ...


class LogsElsewhere:
    """Logs that only the service shows.

    The API gives an address for each task.
    """

    def progress(self, execution: str) -> ProgressLine:  # noqa: ARG002 - see `AttemptLogs`
        """See `AttemptLogs`."""
        return ProgressLine()

    def error(self, execution: str, task: int, attempt: int) -> str:  # noqa: ARG002 - see `AttemptLogs`
        """See `AttemptLogs`."""
        return ""

    def place(self, execution: str, task: int, attempt: int) -> str:  # noqa: ARG002 - see `AttemptLogs`
        """See `AttemptLogs`."""
        return ""

    def folder(self, execution: str) -> str:  # noqa: ARG002 - see `AttemptLogs`
        """See `AttemptLogs`."""
        return ""
