"""How a tried transform looks, for people and as JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from chain.trial.shard import Trial
from chain.views.figures import format_count, format_money, plural
from staging.documents.run import Conservation
from staging.dtypes import format_dtype

SHOWN_ROWS = 10
_CELL_CHARACTERS = 40
_LABEL = 12


def format_trial(trial: Trial, *, style: Callable[..., str]) -> str:
    """Return the rows as a table, then a line a figure."""
    manifest, rows = trial.work.manifest, trial.output.rows
    as_of = manifest.as_of.astimezone(UTC)
    lines = [
        style(f"{manifest.pipeline} {manifest.day}: {trial.work.transform_name} on shard {trial.shard}", bold=True),
        f"  of {len(manifest.shards)} of the export {manifest.export_id}, true of {as_of:%Y-%m-%d %H:%M:%S} UTC",
        "",
        *(f"  {line}" for line in _table(rows.columns, rows.head(SHOWN_ROWS).rows())),
    ]
    if (more := rows.height - SHOWN_ROWS) > 0:
        lines.append(f"  … and {format_count(more)} more")
    lines += ["", *(f"  {label.ljust(_LABEL)}{text}" for label, text in _figures(trial)), "", "  Nothing was written."]
    return "\n".join(lines)


def _figures(trial: Trial) -> Iterator[tuple[str, str]]:
    output = trial.output
    yield "rows", f"{format_count(output.counts.rows)} in, {format_count(output.rows.height)} out"
    for kept in output.conserved:
        yield "sum", _sum(kept)
    if not output.conserved:
        yield "sum", "none is proven: the contract conserves nothing"
    reasons = ", ".join(f"{_shown(reason)} ({format_count(rows)})" for reason, rows in output.reasons.items())
    yield "quarantine", f"{plural(output.quarantine.height, 'row')}: {reasons}" if reasons else "none"


def _sum(kept: Conservation) -> str:
    whole, part, aside = (format_money(text) for text in (kept.shard, kept.part, kept.quarantine))
    return f"{kept.source} {whole} = {kept.output} {part} + quarantine {aside}"


def _table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    cells = [[*map(_shown, header)], *([_shown(value) for value in row] for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(header))]
    is_number = [
        bool(rows) and all(isinstance(row[index], int | float | Decimal | None) for row in rows)
        for index in range(len(header))
    ]
    return [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(row, widths, is_number, strict=True)
        ).rstrip()
        for row in cells
    ]


def _shown(value: object) -> str:
    """Return the value on one line of a terminal, without control characters."""
    text = "NULL" if value is None else str(_plain(value))
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return shown if len(shown) <= _CELL_CHARACTERS else f"{shown[: _CELL_CHARACTERS - 1]}…"


def to_json(trial: Trial) -> dict[str, Any]:
    """Return what `--json` prints; see the reference."""
    manifest, output = trial.work.manifest, trial.output
    return {
        "pipeline": manifest.pipeline,
        "day": manifest.day.isoformat(),
        "export_id": manifest.export_id,
        "as_of": manifest.as_of.isoformat(),
        "transform": trial.work.transform_name,
        "shard": trial.shard,
        "shards": len(manifest.shards),
        "rows_in": output.counts.rows,
        "rows_out": output.rows.height,
        "rows_quarantined": output.quarantine.height,
        "quarantine_reasons": dict(output.reasons),
        "conserved": [
            {
                "output": kept.output,
                "source": kept.source,
                "shard": kept.shard,
                "part": kept.part,
                "quarantine": kept.quarantine,
            }
            for kept in output.conserved
        ],
        "output_columns": {name: format_dtype(dtype) for name, dtype in output.rows.schema.items()},
        "rows": [
            {name: _plain(value) for name, value in row.items()}
            for row in output.rows.head(SHOWN_ROWS).iter_rows(named=True)
        ],
    }


def _plain(value: object) -> object:
    """Return its value in JSON: money as text, digit for digit."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return value.hex() if isinstance(value, bytes) else str(value)
