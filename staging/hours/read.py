"""Reads people's names for an hour."""

from __future__ import annotations

import re
from datetime import date
from zoneinfo import ZoneInfo

from staging.errors import InputError
from staging.hours.name import SPELLING, Hour, no_hour
from staging.hours.zone import hours_on


def read_hour(text: str, zone: ZoneInfo) -> Hour:
    """Return the one hour of the zone that this names.

    The offset may be left out where one hour alone is meant. InputError for one that the zone does not have, or has
    twice.
    """
    match = SPELLING.fullmatch(text)
    if match is None:
        raise no_hour(text, "It is no date with an hour.")
    try:
        there = hours_on(date.fromisoformat(match["day"]), zone)
    except (ValueError, OverflowError) as exc:
        raise no_hour(text, str(exc)) from exc
    same = [hour for hour in there if hour.start.hour == int(match["hour"])]
    found = [hour for hour in same if _is_meant(hour, match)]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(
            f"{text} is {len(found)} hours in {zone.key}.",
            why="Clocks are set back then, and show it again.",
            fix=f"Write {' or '.join(map(str, found))}.",
        )
    raise InputError(
        f"{text} does not exist in {zone.key}.",
        why=f"That hour is {' and '.join(map(str, same))} there." if same else "Its clocks jump over it.",
        fix="Choose another hour." if not same else f"Write {' or '.join(map(str, same))}.",
    )


def _is_meant(hour: Hour, match: re.Match[str]) -> bool:
    start, offset = hour.start, match["offset"]
    return (
        (match["minute"] is None or start.minute == int(match["minute"]))
        and (match["second"] is None or start.second == int(match["second"]))
        and (offset is None or start.isoformat().endswith("+00:00" if offset == "Z" else offset))
    )
