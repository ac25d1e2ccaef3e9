"""Writes durations as the API words them.

Go's `time.Duration.String()`, rounded to hundredths of a second.
"""

from __future__ import annotations


def format_go_duration(seconds: float) -> str:
    """38.22 → `38.22s`, 169.01 → `2m49.01s`, 63.6 → `1m3.6s`, 7200 → `2h0m0s`."""
    hundredths = max(round(seconds * 100), 0)
    minutes, rest = divmod(hundredths, 6000)
    hours, minutes = divmod(minutes, 60)
    text = f"{rest // 100}"
    if rest % 100:
        text += f".{rest % 100:02d}".rstrip("0")
    if hours:
        return f"{hours}h{minutes}m{text}s"
    return f"{minutes}m{text}s" if minutes else f"{text}s"
