"""Words how an attempt ended.

The status of the attempt, and the error of the execution when it was the last. Wording of the cloud: `Task
{execution}-task{i} failed with exit code: {n} and message: The container exited with an error.`
"""

from __future__ import annotations

from jobs_emulator.errors import Code
from jobs_emulator.records import AttemptRecord, End
from jobs_emulator.unknowns import RESTARTED_MESSAGE, SIGNALLED_EXIT_CODE_BASE, TIMEOUT_EXIT_CODE

EXITED_WITH_ERROR = "The container exited with an error."
TIMEOUT_REACHED = "The configured timeout was reached."


def attempt_status(record: AttemptRecord) -> tuple[Code, str]:
    """Code and message of `last_attempt_result.status`."""
    if record.end is End.RUNNING or record.succeeded:
        return Code.OK, ""
    if record.end is End.TIMED_OUT:
        return Code.DEADLINE_EXCEEDED, TIMEOUT_REACHED
    if record.end is End.CANCELLED:
        return Code.CANCELLED, "The task was cancelled."
    if record.end is End.LOST:
        return Code.UNAVAILABLE, RESTARTED_MESSAGE
    return Code.ABORTED, record.detail or EXITED_WITH_ERROR


def task_failure(task_id: str, record: AttemptRecord) -> tuple[Code, str]:
    """Code and message of an execution that this attempt made fail."""
    code, message = attempt_status(record)
    exit_code = SIGNALLED_EXIT_CODE_BASE + record.term_signal if record.term_signal else record.exit_code
    if record.end is End.TIMED_OUT:
        exit_code = TIMEOUT_EXIT_CODE
    return code, f"Task {task_id} failed with exit code: {exit_code} and message: {message}"
