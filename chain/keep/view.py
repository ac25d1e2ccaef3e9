"""Shows kept days, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from chain.diff.view import format_differences as format_tables
from chain.keep.kept import KeptDay, find_worst
from chain.views.days_table import Cells, format_change, format_days_table, tally_days
from chain.views.figures import format_count, format_money, format_seconds, name_windows
from staging.errors import ExitCode

Style = Callable[..., str]
_COLOURS = {"new": "green", "healed": "green", "left": "yellow", "held": "yellow", "stopped": "yellow", "failed": "red"}


def format_kept(days: Sequence[KeptDay], *, style: Style, columns: int) -> str:
    """Return a line a day.

    What was done, figures before and after, why. `columns` wide at most unless figures are longer: reasons are cut,
    `--json` has the whole.
    """
    name = next((name for day in days for sums in day.sums if sums for name in sums), "")
    rows = [_cells(day, name) for day in days]
    return format_days_table(
        rows,
        noun=name_windows(day.day for day in days),
        what="what",
        sum_of=name,
        colours=_COLOURS,
        style=style,
        columns=columns,
    )


def format_differences(days: Sequence[KeptDay], *, style: Style) -> str:
    """Return the keys that differ in each day that was read again."""
    found = [day.difference for day in days if day.difference is not None]
    return "\n".join(format_tables(each.compared, each.found, style=style) for each in found)


def format_tally(pipeline: str, days: Sequence[KeptDay], seconds: float) -> str:
    """Return the total of all days.

    `daily_revenue: 56 days equal, 3 healed, 1 new, in 1 min 2 s`.
    """
    return f"{pipeline}: {tally_days([(day.day, day.outcome) for day in days])}, in {format_seconds(seconds)}"


def to_json(pipeline: str, days: Sequence[KeptDay], seconds: float) -> dict[str, Any]:
    """Return what `--json` prints."""
    worst = find_worst(days)
    return {
        "pipeline": pipeline,
        "days": [day.to_json() for day in days],
        "exit_code": int(worst.exit_code if worst else ExitCode.DONE),
        "seconds": round(seconds, 3),
    }


def _cells(day: KeptDay, name: str) -> Cells:
    (rows_before, rows_after), (sums_before, sums_after) = day.rows, day.sums
    rows = format_change(_count(rows_before), _count(rows_after))
    sums = format_change(_money(sums_before, name), _money(sums_after, name))
    return str(day.day), day.outcome, rows, sums, day.why


def _count(rows: int | None) -> str:
    return format_count(rows) if rows is not None else ""


def _money(sums: dict[str, str | None] | None, name: str) -> str:
    return format_money((sums or {}).get(name) or "")
