"""Shows a run's result and its proof on stdout.

The table proves that nothing was lost.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import click

from chain.day.report import Conserved, Report, TableFigures
from chain.views.figures import format_count, format_money, format_seconds, plural

Style = Callable[..., str]
_TOLD_SECONDS = 0.1
_COLUMNS = 80


def format_summary(report: Report, *, style: Style, is_compact: bool = False) -> str:
    """Return the summary.

    At most 80 columns wide unless sums are longer; `style` paints, or does not. A compact one has no empty lines.
    """
    lines = [
        style(f"{report.pipeline} {report.day}: {report.status} in {format_seconds(report.seconds)}", bold=True),
        f"  run     {report.run_id}, {plural(report.tasks, 'task')}",
        f"  export  {report.export_id}, true of {report.as_of:%Y-%m-%d %H:%M:%S} UTC",
        *_waited(report.waited_seconds),
        *_probed(report.probed),
        *([f"  cost    {report.cost.tell()}"] if report.cost is not None else []),
        "",
        *(f"  {line}" for line in _table(report)),
        "",
        f"  {_verdict(report, style)}",
    ]
    if report.since_export_before is not None:
        lines.insert(3, f"  before  {_since(report.since_export_before)}")
    if report.unfinished:
        told = f"Unfinished: {report.why_unfinished}. `run` reads it again when that is over."
        lines += textwrap.wrap(told, _COLUMNS, initial_indent="  ", subsequent_indent="  ")
    return "\n".join(line for line in lines if line or not is_compact)


def _since(since: Mapping[str, Any]) -> str:
    """What has changed since the export before, in a few words."""
    if since["changed"] is False:
        return f"{since['export_id']}: nothing has changed"
    if since["changed"] is None:
        return f"{since['export_id']}: the same rows and sums"
    if all(each["before"] == each["after"] for each in (since["rows"], *since["sums"].values())):
        return f"{since['export_id']}: other rows of a table beside the leading one"
    return f"{since['export_id']}: {format_count(since['rows']['before'])} rows, now other ones"


def _waited(waited_seconds: Mapping[str, float]) -> list[str]:
    """A line that says what the read waited for, the longest first; none if no wait was long."""
    told = sorted((each for each in waited_seconds.items() if each[1] >= _TOLD_SECONDS), key=lambda each: -each[1])
    reasons = ", ".join(f"{kind.replace('_', ' ')} {format_seconds(seconds)}" for kind, seconds in told)
    return [f"  waited  {reasons}"] if told else []


def _probed(probed: Mapping[str, Any] | None) -> list[str]:
    """Lines that say what the shop's own statement took, and whether a promise was held."""
    if probed is None:
        return []
    return textwrap.wrap(probed["told"], _COLUMNS, initial_indent="  probe   ", subsequent_indent=" " * 10)


def _table(report: Report) -> list[str]:
    sums = report.conserved
    header = ["", "rows", *(_sum_name(each) for each in sums), ""]
    rows = [
        ["exported", format_count(report.rows_exported), *(each.exported for each in sums), "read from the source"],
        ["shards", format_count(report.rows_exported), *(each.shards for each in sums), f"{report.shards} on staging"],
        ["parts", format_count(report.rows_processed), *(each.parts for each in sums), "after the transform"],
        ["set aside", format_count(report.rows_set_aside), *(each.set_aside for each in sums), "quarantined"],
        ["target", format_count(report.rows_loaded), *(each.target for each in sums), _changes(report)],
    ]
    if not report.rows_set_aside:
        del rows[3]
    rows[1:1] = [
        [f"  {table.name}", format_count(table.rows), *("" for _ in sums), tell_table(table)] for table in report.tables
    ]
    shown = [header, *([row[0], row[1], *map(format_money, row[2:-1]), row[-1]] for row in rows)]
    return _aligned(shown)


def tell_table(table: TableFigures) -> str:
    """Say what is known of a table beside the leading one."""
    sums = ", ".join(f"{name} {format_money(total)}" for name, total in table.sums.items())
    missing = f"{plural(table.keys_without_row, 'key')} without a row" if table.keys_without_row else ""
    return ", ".join(filter(None, [sums, missing])) or "at the same instant"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """First and last column to the left, figures to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column in (0, len(row) - 1) else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _sum_name(conserved: Conserved) -> str:
    return conserved.source if conserved.source == conserved.output else f"{conserved.source} > {conserved.output}"


def _changes(report: Report) -> str:
    changes = {"inserted": report.inserted, "changed": report.updated, "deleted": report.deleted}
    told = [f"{format_count(number)} {what}" for what, number in changes.items() if number]
    return ", ".join(told) or "nothing written"


def _verdict(report: Report, style: Style) -> str:
    if not report.conserved:
        return style("The transform declares no sum, so rows are counted and no sum is proven.", fg="yellow")
    return style("Nothing lost, nothing doubled: every sum agrees to the last digit.", fg="green")


def print_report(report: Report, *, style: Style, as_json: bool) -> None:
    """Print one JSON object, or the summary."""
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        return
    if sys.stdout.isatty() and sys.stderr.isatty():
        click.echo()  # between the bars and the summary
    click.echo(format_summary(report, style=style))
