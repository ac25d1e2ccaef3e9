"""Shows the difference of two exports.

On a terminal, and as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from chain.views.figures import format_count, format_money, plural
from staging.control_sums import format_minor_units, parse_money
from staging.documents.manifest import Manifest, TableExport

if TYPE_CHECKING:  # a run shows a change by this module, and needs no polars
    from chain.diff.exports import KeyDifference, KeyDifferences
    from chain.diff.plan import Comparison

_KEY_WIDTH = 40
_NOTHING = "nothing has changed"


def describe_changes(before: Manifest, after: Manifest) -> str:
    """Return in one line how rows and sums of all tables differ.

    Each table of two exports that is not the same:
    `rows 3 > 5 (+2), amount 1.00 > 1.50 (+0.50); refunds: rows 1 > 2 (+1)`.
    """
    stored = {table.name: table for table in before.tables}
    told = [] if _has_same_figures(before, after) else [describe_change(before, after)]
    for table in after.tables:
        if table.name not in stored:
            told.append(f"{table.name}: {plural(table.rows, 'row')}, not read before")
        elif not _has_same_figures(stored[table.name], table):
            told.append(f"{table.name}: {describe_change(stored[table.name], table)}")
    if told:
        return "; ".join(told)
    changes = [describe_change(before, after), *(describe_change(stored[each.name], each) for each in after.tables)]
    return next((change for change in changes if change != _NOTHING), _NOTHING)


def _has_same_figures(before: Manifest | TableExport, after: Manifest | TableExport) -> bool:
    return before.rows == after.rows and before.sums == after.sums


def describe_change(before: Manifest | TableExport, after: Manifest | TableExport) -> str:
    """Return in one line how rows and sums of one table differ.

    Of two exports: `rows 3 > 5 (+2), amount 1.00 > 1.50 (+0.50)`.
    """
    if _has_same_figures(before, after):
        return _describe_equal(before, after)
    parts = [f"rows {_step(format_count(before.rows), format_count(after.rows), after.rows - before.rows, 0)}"]
    for column, total in after.sums.items():
        if (old := before.sums.get(column)) is not None:
            scale, units = _apart(old, total)
            parts.append(f"{column} {_step(format_money(old), format_money(total), units, scale)}")
    return ", ".join(parts)


def _describe_equal(before: Manifest | TableExport, after: Manifest | TableExport) -> str:
    """Equal files prove that nothing has changed; other files may hold the same rows in another order."""
    files = [[file.sha256 for shard in each.shards for file in shard.files] for each in (before, after)]
    if files[0] == files[1]:
        return _NOTHING
    return f"rows and sums have not changed ({plural(after.rows, 'row')}); `penstock diff` compares the keys"


def format_difference(compared: Comparison, found: KeyDifferences, *, style: Callable[..., str]) -> str:
    """Return what differs, a key a line."""
    before, after = compared.before, compared.after
    name = f"{after.pipeline} {after.day}{compared.table and f', table {compared.table}'}"
    head = f"{name}: equal" if not found.differing else f"{name}: {plural(found.differing, 'key')} differ"
    if found.differing == 1:
        head += "s"
    lines = [
        style(head, bold=True),
        f"  before  {before.export_id}, true of {before.as_of:%Y-%m-%d %H:%M:%S} UTC",
        f"  after   {after.export_id}, true of {after.as_of:%Y-%m-%d %H:%M:%S} UTC",
        f"  {describe_change(before, after)}",
        f"  keys: {_counts(found)}",
    ]
    if before.window() != after.window():
        lines.append("  The two are of different windows: the day's time zone was changed.")
    if compared.left_out:
        lines.append(f"  Not in both with the same type, and not compared: {', '.join(compared.left_out)}")
    if found.listed:
        lines += ["", *(f"  {line}" for line in _table(compared, found.listed))]
    if (more := found.differing - len(found.listed)) > 0:
        lines.append(f"  … and {format_count(more)} more; --limit lists them.")
    return "\n".join(lines)


def format_differences(
    comparisons: Sequence[Comparison], found: Sequence[KeyDifferences], *, style: Callable[..., str]
) -> str:
    """Return what differs in each table, the leading one first."""
    told = [format_difference(each, differs, style=style) for each, differs in zip(comparisons, found, strict=True)]
    return "\n".join(told)


def _counts(found: KeyDifferences) -> str:
    told = {"the same": found.same, "new": found.new, "changed": found.changed, "gone": found.gone}
    return ", ".join(f"{format_count(number)} {what}" for what, number in told.items())


def to_json(compared: Comparison, found: KeyDifferences) -> dict[str, Any]:
    """Return what `--json` prints; see the reference."""
    return {
        "pipeline": compared.after.pipeline,
        "day": compared.after.day.isoformat(),
        "equal": not found.differing,
        "before": _export(compared.before),
        "after": _export(compared.after),
        "keys": {"same": found.same, "new": found.new, "changed": found.changed, "gone": found.gone},
        "not_compared": list(compared.left_out),
        "differing": [
            {
                "key": [_plain(value) for value in each.key] if len(each.key) > 1 else _plain(each.key[0]),
                "rows": {"before": each.rows[0], "after": each.rows[1]},
                "sums": {column: {"before": old, "after": new} for column, (old, new) in each.sums.items()},
                "other_values": each.other_values,
            }
            for each in found.listed
        ],
    }


def tables_to_json(comparisons: Sequence[Comparison], found: Sequence[KeyDifferences]) -> dict[str, Any]:
    """Return the same of several tables.

    The leading one's, with `tables` for the others; `equal` is of all.
    """
    leading, *others = [to_json(each, differs) for each, differs in zip(comparisons, found, strict=True)]
    tables = [{"name": each.table, **told} for each, told in zip(comparisons[1:], others, strict=True)]
    return {**leading, "equal": all(each["equal"] for each in (leading, *others)), "tables": tables}


def _export(manifest: Manifest) -> dict[str, Any]:
    return {
        "export_id": manifest.export_id,
        "as_of": manifest.as_of.isoformat(),
        "rows": manifest.rows,
        "sums": dict(manifest.sums),
    }


def _table(compared: Comparison, listed: Sequence[KeyDifference]) -> list[str]:
    header = [*compared.key, "rows", *compared.sums]
    rows = [[*(_key(value) for value in each.key), *_cells(each)] for each in listed]
    widths = [max(len(row[index]) for row in [header, *rows]) for index in range(len(header))]
    return [
        "  ".join(
            cell.rjust(width) if index >= len(compared.key) else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        + ("  other values differ" if number and listed[number - 1].other_values else "")
        for number, row in enumerate([header, *rows])
    ]


def _cells(each: KeyDifference) -> list[str]:
    before, after = each.rows
    cells = [_step(format_count(before), format_count(after), after - before, 0)]
    for old, new in each.sums.values():
        scale, units = _apart(old, new)
        cells.append(_step(format_money(old), format_money(new), units, scale))
    return cells


def _apart(old: str, new: str) -> tuple[int, int]:
    """Return decimal places, and the difference in units of the last of them."""
    scale = max(len(text.partition(".")[2]) for text in (old, new))
    return scale, parse_money(new, scale) - parse_money(old, scale)


def _step(old: str, new: str, units: int, scale: int) -> str:
    if not units:
        return old
    sign = "+" if units > 0 else ""
    return f"{old} > {new} ({sign}{format_money(format_minor_units(units, scale))})"


def _key(key: object) -> str:
    text = str(_plain(key))
    shown = "".join(sign if sign.isprintable() else "\N{REPLACEMENT CHARACTER}" for sign in text)
    return shown if len(shown) <= _KEY_WIDTH else f"{shown[: _KEY_WIDTH - 1]}…"


def _plain(key: object) -> str | int:
    if isinstance(key, bytes):
        return key.hex()
    return key if isinstance(key, int) else str(key)
