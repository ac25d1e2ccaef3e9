"""What the documentation of the cloud does not say.

Each is named, so that it can be corrected in one place. Everything here was chosen, not looked up. `README.md` lists
the same points under what differs from the cloud.
"""

from __future__ import annotations

JOB_ID_CHARACTERS_MAX = 63
"""Longest job id. (Job name and execution token together must stay below 63: that one is documented.)"""

SIGTERM_GRACE_SECONDS = 10.0
"""From SIGTERM to SIGKILL when a task is cancelled or times out; ten seconds is documented for services."""

OUT_OF_MEMORY_MESSAGE = "Memory limit of {limit_mib} MiB exceeded with {used_mib} MiB used."
"""last_attempt_result of a task that was killed for its memory (the sentence is that of the cloud's log entry)."""

SIGNALLED_EXIT_CODE_BASE = 128
"""Messages give a process ended by signal n the exit code 128 + n, as shells and Docker do."""

TIMEOUT_EXIT_CODE = 0
"""The exit code in the message of a timed-out task; one transcript of the cloud shows 0."""

CANCELLED_MESSAGE = "The execution was cancelled."
"""Text of the Completed condition of a cancelled execution."""

RESTARTED_MESSAGE = "The attempt was lost when the emulator restarted."
"""An attempt that was running when the emulator itself was stopped or killed."""

RETRY_MESSAGE = "System will retry after 0:00:00 from lastTransitionTime for attempt {attempt}."
"""Text of the Retry condition; `attempt` counts from 0."""

DELETED_KEPT_SECONDS = 30 * 24 * 3600.0
"""How long a deleted job or execution is shown under show_deleted: its expire_time."""

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000
"""Entries of a list answer: when the caller names no page size, and at most."""

WAIT_SECONDS_MAX = 60.0
"""The longest WaitOperation holds a call, and what it does when the caller names no timeout."""

EXECUTION_ID_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
"""Letters of the five characters after the job id: those Kubernetes uses, without vowels and look-alikes."""
