"""The outcome of one day of many, and the worst."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from chain.day.report import Report
from staging.errors import ExitCode, HeldError, InterruptedRunError, PenstockError
from staging.redaction import redact

Outcome = Literal["done", "already done", "failed", "held", "stopped", "not begun", "left"]
"""`left`: for the next night, by `penstock keep` alone."""

WORST_FIRST = (
    ExitCode.INTEGRITY,  # a person must look at data
    ExitCode.BUG,  # a person must look at Penstock
    ExitCode.USAGE,
    ExitCode.INPUT,  # the same again fails the same way
    ExitCode.UNAVAILABLE,  # try again
    ExitCode.HELD,  # somebody else does it
    ExitCode.DONE,
)


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """The outcome of one day.

    `report` where it is done; `error` where it failed, is held, or was stopped; `seconds` it took here.
    """

    day: date
    outcome: Outcome
    seconds: float = 0.0
    report: Report | None = None
    error: PenstockError | None = None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of the day alone.

        A day that was not begun says nothing.
        """
        return ExitCode(self.error.exit_code) if self.error else ExitCode.DONE

    @property
    def failed(self) -> bool:
        """Whether something went wrong."""
        return self.error is not None

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        report, error = self.report, self.error
        return {
            "day": self.day.isoformat(),
            "outcome": self.outcome,
            "exit_code": int(self.exit_code),
            "seconds": round(self.seconds, 3),
            "run_id": report.run_id if report else None,
            "export_id": report.export_id if report else None,
            "unfinished": report.unfinished if report else None,
            "rows": report.rows_loaded if report else None,
            "totals": report.totals["loaded"] if report else None,
            "error": error and {name: redact(getattr(error, name)) for name in ("what", "why", "fix")},
        }


def done(report: Report, seconds: float) -> DayOutcome:
    """Return the outcome of a day that is done.

    Now, or before.
    """
    return DayOutcome(report.day, report.status, seconds, report=report)


def gone_wrong(day: date, error: PenstockError, seconds: float) -> DayOutcome:
    """Return the outcome of a day that ended with an error."""
    outcome: Outcome = "failed"
    if isinstance(error, HeldError):
        outcome = "held"
    elif isinstance(error, InterruptedRunError):
        outcome = "stopped"
    return DayOutcome(day, outcome, seconds, error=error)


def find_worst(outcomes: Iterable[DayOutcome]) -> DayOutcome | None:
    """Return the first outcome with the gravest exit code.

    None where nothing went wrong.
    """
    failed = [outcome for outcome in outcomes if outcome.failed]
    return min(failed, key=lambda outcome: WORST_FIRST.index(outcome.exit_code), default=None)
