"""Rows of a shard lie inside the business day, to the microsecond, also where it has 23 or 25 hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from staging.errors import IntegrityError
from staging.window import plan_window
from tests.processor.runs import Runs
from tests.shop.hand_made_export import SCHEMA, WINDOW, HandMade, put_in_folder

DAYS = [
    (date(2026, 3, 29), "Europe/Berlin"),  # 23 hours
    (date(2026, 10, 25), "Europe/Berlin"),  # 25 hours
    (date(2026, 11, 14), "Asia/Kathmandu"),  # +05:45
    (date(2026, 11, 14), "Pacific/Kiritimati"),  # +14:00
    (date(2018, 11, 4), "America/Sao_Paulo"),  # a midnight that does not exist
]
TICK = timedelta(microseconds=1)


def process(tmp_path: Path, times: list[datetime], day: date, zone: str, schema: pa.Schema = SCHEMA) -> Runs:
    runs = Runs((tmp_path / "staging").as_uri(), tmp_path, sets=(f"source.timezone={zone}",))
    rows = [{"user_id": 1, "purchased_at": time, "amount": Decimal(1)} for time in times]
    made = HandMade(put_in_folder(runs.stored()), rows, schema=schema, shards=1)
    window = plan_window(day, ZoneInfo(zone))
    made.manifest |= {"timezone": zone, "window_start": window.start.isoformat(), "window_end": window.end.isoformat()}
    made.commit()
    runs.process()
    return runs


@pytest.mark.parametrize(("day", "zone"), DAYS)
def test_the_first_and_the_last_microsecond_belong_to_the_day(tmp_path: Path, day: date, zone: str) -> None:
    window = plan_window(day, ZoneInfo(zone))
    assert process(tmp_path, [window.start, window.end - TICK], day, zone).revenue() == {1: (Decimal(2), 2)}


@pytest.mark.parametrize(("day", "zone"), DAYS)
@pytest.mark.parametrize("side", ["before", "after"])
def test_one_microsecond_outside_is_refused(tmp_path: Path, day: date, zone: str, side: str) -> None:
    window = plan_window(day, ZoneInfo(zone))
    outside = window.start - TICK if side == "before" else window.end
    with pytest.raises(IntegrityError, match="1 rows have a purchased_at outside the day"):
        process(tmp_path, [window.start, outside, window.end - TICK], day, zone)


def test_times_that_are_no_instants_are_refused(tmp_path: Path) -> None:
    schema = SCHEMA.set(1, pa.field("purchased_at", pa.timestamp("us"), nullable=False))
    with pytest.raises(IntegrityError, match="are no instants"):
        process(tmp_path, [WINDOW[0].replace(tzinfo=None)], date(2026, 11, 14), "Europe/Berlin", schema)
