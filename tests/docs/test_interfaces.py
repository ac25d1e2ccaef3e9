"""What programs read of many days, of status and of progress is documented, field by field."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path

from chain.keep.choose import NOT_OVER
from chain.keep.kept import KeptDay
from chain.range.outcome import DayOutcome, gone_wrong
from chain.status.day import DayStatus, LastError
from chain.views.progress_json import describe
from staging.errors import InputError

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text(encoding="utf-8")
DAY = date(2026, 11, 14)


def section(begin: str, end: str) -> set[str]:
    """All that stands in code between two texts of the reference."""
    text = REFERENCE.split(begin)[1].split(end)[0]
    return set(re.findall(r"`([a-z_]+)`", text))


def test_every_field_of_a_progress_line_is_documented() -> None:
    documented = section("## The JSON lines of progress", "\n## ")
    assert set(describe(datetime.now(UTC), DAY, None, None, note="")) <= documented


def test_every_field_of_a_backfilled_day_is_documented() -> None:
    fields = DayOutcome(DAY, "not begun").to_json() | (gone_wrong(DAY, InputError("x"), 1.0).to_json()["error"] or {})
    assert set(fields) <= section("`backfill --json` prints", "`status --json` prints")


def test_every_field_of_a_kept_day_is_documented() -> None:
    fields = KeptDay(DAY, NOT_OVER, ended=gone_wrong(DAY, InputError("x"), 1.0)).to_json()
    assert set(fields) | set(fields["error"]) <= section("`keep --json` prints", "`status --json` prints")


def test_every_field_of_a_status_is_documented() -> None:
    error = DayStatus(DAY, "failed", error=LastError("x")).to_json()
    assert set(error) | set(error["error"]) <= section("`status --json` prints", "`gc --json` prints")
