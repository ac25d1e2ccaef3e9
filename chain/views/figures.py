"""How figures look to people: rows, bytes, seconds, money."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from staging.window import span_of

_UNITS = ("B", "kB", "MB", "GB", "TB")
_STEP = 1000
_SECONDS_OF_A_MINUTE = 60


def format_count(number: int) -> str:
    """`1234567` as `1,234,567`."""
    return f"{number:,}"


def format_bytes(number: int) -> str:
    """`1234567` as `1.2 MB`: decimal units."""
    size, unit = float(number), 0
    while size >= _STEP and unit < len(_UNITS) - 1:
        size, unit = size / _STEP, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{number} B"


def format_seconds(seconds: float) -> str:
    """`3.21` as `3.2 s`, `75` as `1 min 15 s`."""
    if seconds < _SECONDS_OF_A_MINUTE:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _SECONDS_OF_A_MINUTE)
    return f"{minutes} min {rest} s"


def format_money(text: str) -> str:
    """`-1234567.50` as `-1,234,567.50`, digit for digit."""
    return f"{Decimal(text):,f}" if text else ""


def name_windows(windows: Iterable[date]) -> str:
    """Return what one of them is called: `hour` or `day`."""
    return next((span_of(window) for window in windows), "day")


def plural(number: int, noun: str) -> str:
    """`1 task`, `8 tasks`."""
    return f"{format_count(number)} {noun}{'' if number == 1 else 's'}"
