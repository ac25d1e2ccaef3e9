"""Shows compared days, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chain.range.outcome import WORST_FIRST
from chain.views.days_table import Cells, format_change, format_days_table, tally_days
from chain.views.figures import format_count, format_money, name_windows
from exporter.compare.days import DayCompared
from staging.errors import ExitCode
from staging.redaction import redact

Style = Callable[..., str]
CHANGED_CODE = ExitCode.LATE
"""3: the check found what it looked for. It is no error."""
_COLOURS = {"equal": "green", "changed": "red", "can't be told": "yellow", "same sums": "yellow"}


def exit_code_of(days: Sequence[DayCompared]) -> ExitCode:
    """Return 3 where a day changed.

    40 comes before it, all other codes after it; 0 where all days are as they were.
    """
    codes = [ExitCode(each.error.exit_code) for each in days if each.error is not None]
    worst = min(codes, key=WORST_FIRST.index, default=ExitCode.DONE)
    if worst is ExitCode.INTEGRITY:
        return worst
    return CHANGED_CODE if any(each.compared.outcome == "changed" for each in days) else worst


def format_compared(days: Sequence[DayCompared], *, style: Style) -> str:
    """Return a line a day: outcome, figures before and after, why."""
    name = next((name for each in days if each.stored for name in each.stored.sums), "")
    rows = [_cells(each, name) for each in days]
    return format_days_table(
        rows,
        noun=name_windows(each.day for each in days),
        what="outcome",
        sum_of=name,
        colours=_COLOURS,
        style=style,
        columns=0,
    )


def format_tally(pipeline: str, days: Sequence[DayCompared]) -> str:
    """`daily_revenue: 56 days equal, 3 changed, 1 never stored`."""
    return f"{pipeline}: {tally_days([(each.day, each.compared.outcome) for each in days])}"


def to_json(pipeline: str, days: Sequence[DayCompared]) -> dict[str, Any]:
    """Return what `--json` prints."""
    return {
        "pipeline": pipeline,
        "days": [_as_json(each) for each in days],
        "exit_code": int(exit_code_of(days)),
    }


def _as_json(each: DayCompared) -> dict[str, Any]:
    compared, stored, found = each.compared, each.stored, each.compared.found
    return {
        "day": each.day.isoformat(),
        "outcome": compared.outcome,
        "sure": compared.outcome in ("equal", "changed", "never stored"),
        "how": compared.how or None,
        "why": redact(compared.why) or None,
        "export_id": stored.export_id if stored else None,
        "as_of": stored.as_of.isoformat() if stored else None,
        "rows_before": stored.rows if stored else None,
        "rows_after": found.rows if found else None,
        "sums_before": dict(stored.sums) if stored else None,
        "sums_after": dict(found.sums) if found else None,
        "exit_code": int(each.error.exit_code) if each.error else int(ExitCode.DONE),
    }


def _cells(each: DayCompared, name: str) -> Cells:
    stored, found = each.stored, each.compared.found
    rows = format_change(format_count(stored.rows) if stored else "", format_count(found.rows) if found else "")
    before = format_money(stored.sums.get(name, "")) if stored else ""
    after = format_money((found.sums.get(name) if found else "") or "")
    why = " ".join(redact(each.compared.why).split())
    return str(each.day), each.compared.outcome, rows, format_change(before, after), why
