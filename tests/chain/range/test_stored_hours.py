"""Days and weeks made of stored hours: the same rows, every hour of them, and none that is missing."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from staging.config.pipeline import Pipeline
from staging.errors import InputError
from staging.window import load_zone, windows_of
from tests.chain.range.test_stored_days import Shop
from tests.exporter.days import Export, pipeline, run_export

pytestmark = pytest.mark.integration

SUNDAY = date(2026, 10, 25)
BERLIN = load_zone("Europe/Berlin")
HOURS = windows_of(SUNDAY, "hour", BERLIN)
LATER = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A week of purchases, and the 25 hours of its Sunday but the second from 02:00."""
    made = Shop(tmp_path_factory.mktemp("hours"))
    for hour in HOURS:
        if str(hour) != "2026-10-25T02+01:00":
            _export(made, hour)
    return made


def _export(shop: Shop, hour: date) -> Export:
    settings = pipeline(shop.url, shop.staging, export={"shards": 2}, window="hour")
    run_id = f"run-{str(hour)[11:13]}{str(hour)[15]}"
    return run_export(settings, day=hour, run_id=run_id, now=LATER)


def _day(shop: Shop, run_id: str, **source: Any) -> Export:
    return run_export(shop.weekly(window="day", **source), day=SUNDAY, run_id=run_id, now=LATER)


def _expected(shop: Shop, but: str = "") -> dict[int, Decimal]:
    """By plain Python: the purchases that the clock showed on that Sunday."""
    found: dict[int, Decimal] = defaultdict(Decimal)
    for user, at, amount in shop.sql("SELECT user_id, purchased_at, CAST(amount AS TEXT) FROM purchases"):
        shown = datetime.fromisoformat(at).replace(tzinfo=UTC).astimezone(BERLIN)
        if shown.date() == SUNDAY and shown.isoformat()[:13] + shown.isoformat()[-6:] != but:
            found[user] += Decimal(amount)
    return dict(found)


def test_a_day_of_hours_lacks_none_and_is_used_again_until_one_changes(shop: Shop) -> None:
    with pytest.raises(InputError) as refused:
        _day(shop, "day-0001")
    assert "1 of 25 hours of daily_revenue are not there for the day of 2026-10-25" in refused.value.what
    assert "2026-10-25T02+01:00 has no export" in refused.value.why
    assert "--from 2026-10-25 --to 2026-10-25" in refused.value.fix
    allowed = _day(shop, "day-0002", allow_missing=True)
    assert allowed.totals() == _expected(shop, but="2026-10-25T02+01:00")
    _export(shop, HOURS[3])
    whole = _day(shop, "day-0003", allow_missing=True)
    assert whole.manifest["export_id"] != allowed.manifest["export_id"]
    assert [export["day"] for export in whole.manifest["source"]["exports"]] == [str(hour) for hour in HOURS]
    assert whole.totals() == _expected(shop)
    assert _day(shop, "day-0004").manifest["export_id"] == whole.manifest["export_id"]


def test_a_week_may_be_stored_by_day_and_by_hour(shop: Shop) -> None:
    _export(shop, HOURS[3])
    days = [SUNDAY - timedelta(days=number) for number in range(6, 0, -1)]
    for day in days:
        shop.export(day, shards=2)
    week = shop.week()
    assert [export["day"] for export in week.manifest["source"]["exports"]] == list(map(str, [*days, *HOURS]))
    assert week.totals() == shop.totals()
    assert shop.week("week-0002").manifest["export_id"] == week.manifest["export_id"]


def test_a_day_of_which_no_hour_is_stored_is_refused(shop: Shop, tmp_path: Path) -> None:
    empty = Shop(tmp_path)
    with pytest.raises(InputError, match="No hour of daily_revenue 2026-10-25 is stored"):
        _day(empty, "day-0001")


def test_exports_say_how_long_a_window_of_them_is() -> None:
    section = {"exports": "hourly", "key": "id", "time": "at", "columns": ["amount"], "timezone": "UTC"}
    whole = {"name": "daily", "staging": {"url": "file:///tmp"}, "target": {"url": "sqlite:///a.db", "table": "t"}}
    with pytest.raises(ValueError, match="exports needs window"):
        Pipeline.model_validate(whole | {"source": section})
    for window, said in (("day", ""), ("week", ""), ("hour", "is for a table")):
        source = section | {"window": window}
        if said:
            with pytest.raises(ValueError, match=said):
                Pipeline.model_validate(whole | {"source": source})
        else:
            assert Pipeline.model_validate(whole | {"source": source}).source.window == window
