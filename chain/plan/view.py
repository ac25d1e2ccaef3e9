"""Shows a plan on a terminal.

What would be read, why so, how much it is, and what would be refused.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from chain.plan.day import PlannedDay, is_over
from chain.views.figures import format_bytes, format_count, format_seconds, plural
from chain.views.summary import Style

_LABEL = 11
_LEAST_CHARACTERS = 40
_REASON = " " * len("  REFUSED  ")
_CLAUSE = re.compile(r" (FROM|WHERE|AND) ")
_PARTS = {"key": "decides the shard", "time": "decides the day"}


def format_plan(planned: PlannedDay, now: datetime, *, style: Style, columns: int) -> str:
    """Return the plan, wrapped to so many columns.

    Names and statements are never cut.
    """
    width = max(_LEAST_CHARACTERS, columns - _LABEL - 2)
    count = planned.window.hours()
    hours = f"{count:g} {'hour' if count == 1 else 'hours'} of {planned.zone.key}"
    over = "" if is_over(planned.window, now) else ", not over yet"
    lines = [style(f"{planned.pipeline} {planned.day}: {hours}{over}", bold=True)]
    for label, text in _facts(planned):
        wrapped = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
        shown = f"{label} ".ljust(_LABEL)
        lines.append(f"  {shown}{wrapped[0]}")
        lines += [" " * (_LABEL + 2) + line for line in wrapped[1:]]
    lines += ["", *_columns(planned)]
    if planned.export.statement:
        lines += ["", *_statement(planned.export.statement)]
    lines += ["", *_verdict(planned, style, columns)]
    return "\n".join(lines)


def _facts(planned: PlannedDay) -> Iterator[tuple[str, str]]:
    export = planned.export
    for label, edge in (("from", planned.window.start), ("until", planned.window.end)):
        local = edge.astimezone(planned.zone)
        yield label, f"{edge:%Y-%m-%d %H:%M:%S} UTC = {local:%Y-%m-%d %H:%M:%S %Z}"
    server = f", {export.database} by {export.reader}" if export.database else ""
    yield "source", f"{export.table}{server}"
    yield "stored", _stored(planned)
    if export.read is not None:
        yield "read", f"{export.read}: {export.why_read}"
    elif export.why_read is not None:
        yield "read", export.why_read
    for number, step in enumerate(export.explain):
        yield "explain" if number == 0 else "", step
    if export.partitions is not None:
        read, of = export.partitions
        yield "partitions", f"{format_count(read)} of {format_count(of)} are read"
    if export.rows is not None and export.seconds is not None:
        size = format_bytes(export.size_bytes or 0)
        seconds = format_seconds(export.seconds) if export.seconds >= 1 else "less than a second"
        rests = ", rests included" if export.read == "slices" else ""
        amount = f"{format_count(export.rows)} {export.rows_are}; {size} before compression"
        yield "rows", f"{amount}; {seconds} to read{rests}"
    yield from [("latency", export.latency)] if export.latency else []
    for table in export.tables:
        carried = ", ".join(column.name for column in table.columns)
        expected = "as many rows as they have" if table.rows is None else f"{plural(table.rows, 'row')} expected"
        yield f"with {table.name}", f"{table.table}: {carried}; {expected}"
    if export.shards is not None:
        yield "split", f"{plural(export.shards, 'shard')}, {plural(planned.tasks or 1, 'task')}"
    if planned.cost is not None:
        yield "cost", planned.cost.describe()


def _stored(planned: PlannedDay) -> str:
    if planned.stored is None:
        return "no export that can be used: `run` reads the source"
    manifest = planned.stored.manifest
    told = f"export {manifest.export_id}, true of {manifest.as_of.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    if planned.loaded_run_id is not None:
        return f"{told}; the day is done by run {planned.loaded_run_id}, `run` asks only the ledger"
    return f"{told}; `run` uses it and reads nothing, unless --fresh-export"


def _columns(planned: PlannedDay) -> list[str]:
    rows: list[Sequence[str]] = [("column", "in the table", "in the shards", "")]
    for column in planned.export.columns:
        part = _PARTS.get(column.part, "sum is proven" if column.conserved else "")
        rows.append((column.name, column.source_type, column.dtype or "REFUSED", part))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return [
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _statement(statement: str) -> list[str]:
    """Return the statement in lines that may be copied: broken before words of SQL, never inside quotes."""
    first, *more = _CLAUSE.split(statement)
    lines = [first]
    for word, clause in zip(more[::2], more[1::2], strict=True):
        is_quoted = any(sum(line.count(quote) for line in lines) % 2 for quote in "'\"`")
        if is_quoted:
            lines[-1] += f" {word} {clause}"
        else:
            lines.append(f"{word} {clause}")
    return [f"  {line}" for line in lines]


def _verdict(planned: PlannedDay, style: Style, columns: int) -> Iterator[str]:
    if not planned.refused:
        yield "  " + style("Nothing would be refused.", fg="green")
    for error in planned.refused:
        yield "  " + style("REFUSED  ", fg="red") + f"\n{_REASON}".join(_wrapped(error.what, columns))
        for label, text in (("why: ", error.why), ("fix: ", error.fix)):
            if text:
                yield _REASON + f"\n{_REASON}     ".join(_wrapped(label + text, columns - len("why: ")))


def _wrapped(text: str, columns: int) -> list[str]:
    width = max(_LEAST_CHARACTERS, columns - len(_REASON))
    return textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False)
