"""Shows many days on stdout, a line a day.

And the total.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chain.day.report import Report
from chain.range.outcome import DayOutcome
from chain.views.days_table import cut, tally_days
from chain.views.figures import format_count, format_money, format_seconds, name_windows
from staging.redaction import redact

Style = Callable[..., str]
_COLOURS = {"done": "green", "failed": "red", "held": "yellow", "stopped": "yellow"}
_HEADS = ("outcome", "time", "rows")


def format_outcomes(outcomes: Sequence[DayOutcome], *, style: Style, columns: int) -> str:
    """Return the table.

    `columns` wide at most unless sums are longer: errors are cut, the whole was on stderr.
    """
    rows = [_cells(outcome) for outcome in outcomes]
    heads = (name_windows(outcome.day for outcome in outcomes), *_HEADS, _sum_name(outcomes))
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    lines = [_line(heads, widths).rstrip()]
    for outcome, cells in zip(outcomes, rows, strict=True):
        text = _line(cells, widths).rstrip()
        if outcome.error is not None:
            room = columns - len(_line(cells[:3], widths)) - 2
            text = f"{_line(cells[:3], widths)}  {cut(' '.join(redact(outcome.error.what).split()), room)}"
        lines.append(text.replace(outcome.outcome, style(outcome.outcome, fg=_COLOURS.get(outcome.outcome)), 1))
    return "\n".join(lines)


def format_tally(pipeline: str, outcomes: Sequence[DayOutcome], seconds: float) -> str:
    """Return the total of all days.

    `daily_revenue: 28 days done, 1 failed, 1 not begun, in 5 min 3 s`.
    """
    tally = tally_days([(outcome.day, outcome.outcome) for outcome in outcomes])
    return f"{pipeline}: {tally}, in {format_seconds(seconds)}"


def _cells(outcome: DayOutcome) -> tuple[str, str, str, str, str]:
    seconds = format_seconds(outcome.seconds) if outcome.outcome != "not begun" else ""
    report = outcome.report
    rows = format_count(report.rows_loaded) if report else ""
    return str(outcome.day), outcome.outcome, seconds, rows, format_money(_total(report)) if report else ""


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Day and outcome to the left, figures to the right."""
    return "  ".join(
        cell.ljust(width) if position < 2 else cell.rjust(width)  # noqa: PLR2004 - see above
        for position, (cell, width) in enumerate(zip(cells, widths, strict=False))
    )


def _sum_name(outcomes: Sequence[DayOutcome]) -> str:
    """Return the first sum that a day has; `--json` has all of them."""
    reports = [outcome.report for outcome in outcomes if outcome.report is not None]
    return next((next(iter(report.totals["loaded"]), "") for report in reports), "")


def _total(report: Report) -> str:
    return next(iter(report.totals["loaded"].values()), "")
