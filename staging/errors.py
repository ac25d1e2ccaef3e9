"""Every error a user can meet, and its exit code.

The code is the one that the process ends with. An error says what happened, why, and what to do. SDK and driver errors
stop at their adapter and become one of these with `raise … from exc`. Anything else that reaches a job's `main` is a
bug and exits with 1.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What a process says when it ends.

    The same for every job and command.
    """

    DONE = 0
    BUG = 1
    USAGE = 2
    LATE = 3
    INPUT = 10
    UNAVAILABLE = 20
    HELD = 30
    INTEGRITY = 40


PERMANENT_EXIT_CODES = frozenset({ExitCode.USAGE, ExitCode.INPUT, ExitCode.HELD, ExitCode.INTEGRITY})
"""The same attempt again would end the same way."""


class PenstockError(Exception):
    """Something a user can act on.

    `what` happened, in one sentence; `why` it is so; what to do about it (`fix`). Never put a secret in any of them.
    """

    exit_code: ExitCode = ExitCode.BUG

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return "\n".join([self.what, *(f"  {label}: {text}" for label, text in self._reasons() if text)])

    def _reasons(self) -> tuple[tuple[str, str], tuple[str, str]]:
        return ("why", self.why), ("fix", self.fix)


class UsageError(PenstockError):
    """The command line or the task environment is wrong."""

    exit_code = ExitCode.USAGE


class InputError(PenstockError):
    """Configuration, source data or target shape is wrong.

    The same attempt again would fail the same way.
    """

    exit_code = ExitCode.INPUT


class UnavailableError(PenstockError):
    """A database, the bucket or the machine could not do it now.

    Try again.
    """

    exit_code = ExitCode.UNAVAILABLE


class InterruptedRunError(UnavailableError):
    """Ctrl-C or SIGTERM: nothing that counts was left behind.

    Try again when it suits.
    """


class LeftForLaterError(UnavailableError):
    """It may be done later; no further attempt is wanted now."""


class LateError(PenstockError):
    """A day that should be loaded by now is not.

    A check says so, no job does.
    """

    exit_code = ExitCode.LATE


class HeldError(PenstockError):
    """Another run owns this day, or a newer one overtook it."""

    exit_code = ExitCode.HELD


class IntegrityError(PenstockError):
    """What was read differs from what was written, or sums disagree.

    A person must look. Nothing was loaded.
    """

    exit_code = ExitCode.INTEGRITY


# --- outcomes of the storage port -----------------------------------------------------------------------------------


class ObjectMissingError(IntegrityError):
    """The object, or the named generation of it, is not there."""


class ObjectExistsError(HeldError):
    """A create-only write met another object of that name with other bytes."""


class GenerationChangedError(HeldError):
    """A replace-by-generation met another generation than the one it was to replace."""
