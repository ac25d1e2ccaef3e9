"""The outcome of a day that is kept."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from chain.day.report import Report
from chain.diff.view import tables_to_json
from chain.keep.choose import Step
from chain.keep.differences import Difference
from chain.range.bring_to_done import UnfinishedDaysError
from chain.range.outcome import WORST_FIRST, DayOutcome
from exporter.compare.days import DayCompared
from exporter.compare.judge import DayFigures
from staging.documents.manifest import Manifest
from staging.errors import ExitCode, PenstockError
from staging.process.cancel import Cancel
from staging.redaction import redact


@dataclass(frozen=True, slots=True)
class KeptDay:
    """One day: what was to be done, and how it ended.

    `compared` is None where it was not compared, `ended` where nothing was to be done, `difference` where no export
    before is known.
    """

    day: date
    step: Step
    compared: DayCompared | None = None
    ended: DayOutcome | None = None
    difference: Difference | None = None

    @property
    def outcome(self) -> str:
        """`new`, `healed`, `equal`, `left`, `failed`, `held`, `stopped` or `not begun`."""
        if self.ended is None or self.ended.report is not None:
            return self.step.name
        return self.ended.outcome

    @property
    def error(self) -> PenstockError | None:
        """Why the day is not what it should be.

        It was not brought there, or the comparison has no result.
        """
        if self.ended is not None:
            return self.ended.error
        return self.compared.error if self.compared is not None else None

    @property
    def exit_code(self) -> ExitCode:
        """Return the exit code of the day alone."""
        return ExitCode(self.error.exit_code) if self.error is not None else ExitCode.DONE

    @property
    def why(self) -> str:
        """Return in one line why it ended so, or ""."""
        if self.ended is not None and self.ended.error is not None:
            return " ".join(redact(self.ended.error.what).split())
        unfinished = self.ended is not None and self.ended.report is not None and self.ended.report.unfinished
        return " ".join(redact("unfinished: it was read before it was over" if unfinished else self.step.why).split())

    @property
    def rows(self) -> tuple[int | None, int | None]:
        """Rows of the day's export before, and now.

        For a day that was left, what the source has.
        """
        stored, found, report = self._known()
        since = report.since_export_before if report else None
        before = stored.rows if stored else since["rows"]["before"] if since else None
        return before, report.rows_exported if report else found.rows if found else None

    @property
    def sums(self) -> tuple[dict[str, str | None] | None, dict[str, str | None] | None]:
        """The same of the sums."""
        stored, found, report = self._known()
        since = report.since_export_before if report else None
        before: dict[str, str | None] | None = dict(stored.sums) if stored else None
        if before is None and since is not None:
            before = {name: total["before"] for name, total in since["sums"].items()}
        after: dict[str, str | None] | None = dict(found.sums) if found else None
        return before, dict(report.totals["exported"]) if report else after

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""
        compared, error = self.compared, self.error
        report = self.ended.report if self.ended else None
        (rows_before, rows_after), (sums_before, sums_after) = self.rows, self.sums
        return {
            "day": self.day.isoformat(),
            "outcome": self.outcome,
            "compared": compared.compared.outcome if compared else None,
            "how": (compared.compared.how or None) if compared else None,
            "why": self.why or None,
            "rows_before": rows_before,
            "rows_after": rows_after,
            "sums_before": sums_before,
            "sums_after": sums_after,
            "run_id": report.run_id if report else None,
            "export_id": report.export_id if report else None,
            "unfinished": report.unfinished if report else None,
            "rows": report.rows_loaded if report else None,
            "totals": report.totals["loaded"] if report else None,
            "difference": tables_to_json(self.difference.compared, self.difference.found) if self.difference else None,
            "seconds": round(self.ended.seconds, 3) if self.ended else None,
            "exit_code": int(self.exit_code),
            "error": error and {name: redact(getattr(error, name)) for name in ("what", "why", "fix")},
        }

    def _known(self) -> tuple[Manifest | None, DayFigures | None, Report | None]:
        stored = self.compared.stored if self.compared else None
        found = self.compared.compared.found if self.compared else None
        return stored, found, self.ended.report if self.ended else None


def find_worst(days: Iterable[KeptDay]) -> KeptDay | None:
    """Return the first day with the gravest exit code.

    None where nothing went wrong.
    """
    failed = [day for day in days if day.error is not None]
    return min(failed, key=lambda day: WORST_FIRST.index(day.exit_code), default=None)


def check_all_kept(pipeline: str, days: Sequence[KeptDay], cancel: Cancel) -> None:
    """Raise UnfinishedDaysError where a day is not kept.

    It is not what the source has, or could not be compared. The error has the exit code of the worst.
    InterruptedRunError where days were not begun because it was asked to end.
    """
    worst = find_worst(days)
    if worst is None or worst.error is None:
        if any(day.outcome == "not begun" for day in days):
            cancel.check()
        return
    wrong = sum(day.error is not None or day.outcome == "not begun" for day in days)
    told = worst.error.fix if worst.ended is None else ""  # a job's fix was shown when the day failed
    raise UnfinishedDaysError(
        f"{wrong} of {len(days)} days of {pipeline} are not kept.",
        why=f"{worst.day}: {worst.error.what}",
        fix=f"{told} The same command goes on then: days that are equal are left alone.".lstrip(),
        exit_code=worst.exit_code,
    )
