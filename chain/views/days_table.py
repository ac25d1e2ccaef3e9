"""Lays out a line a day.

Its outcome, figures before and after, and why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date

from chain.views.figures import format_count, name_windows, plural

Cells = tuple[str, str, str, str, str]
"""Day, outcome, rows, a sum, why."""

_LEAST_ROOM = 20


def format_days_table(
    rows: Sequence[Cells],
    *,
    noun: str,
    what: str,
    sum_of: str,
    colours: Mapping[str, str],
    style: Callable[..., str],
    columns: int,
) -> str:
    """Return the lines, with their heads first.

    `noun` heads the first column, `what` the second; `sum_of` names the summed one, "" where there is none. `columns`
    wide at most unless figures are longer: reasons are cut; 0 cuts none.
    """
    heads = (noun, what, "rows", f"sum of {sum_of}" if sum_of else "", "why")
    widths = [max(map(len, column)) for column in zip(heads, *rows, strict=True)]
    room = columns - sum(widths[:4]) - 2 * 4 if columns else widths[4]
    lines = []
    for cells in (heads, *rows):
        shown = (*cells[:4], cut(cells[4], room))
        text = "  ".join(cell.ljust(width) for cell, width in zip(shown, widths, strict=True)).rstrip()
        colour = colours.get(cells[1])
        lines.append(text.replace(cells[1], style(cells[1], fg=colour), 1) if colour else text)
    return "\n".join(lines)


def cut(text: str, room: int) -> str:
    """Return the text, cut to that many characters (20 at least)."""
    room = max(room, _LEAST_ROOM)
    return text if len(text) <= room else f"{text[: room - 1]}…"


def format_change(before: str, after: str) -> str:
    """`147 -> 153`, or the one figure if there is only one."""
    return f"{before} -> {after}" if before and after and before != after else after or before


def tally_days(outcomes: Sequence[tuple[date, str]]) -> str:
    """`56 days equal, 3 changed, 1 never stored`, as they first come."""
    noun = name_windows(day for day, _ in outcomes)
    return ", ".join(
        f"{plural(number, noun) if not position else format_count(number)} {outcome}"
        for position, (outcome, number) in enumerate(Counter(outcome for _, outcome in outcomes).items())
    )
